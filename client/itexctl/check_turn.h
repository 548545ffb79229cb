/*
 * Whose turn it is to analyse: of the processes of a node that ask the same question at the same time, such as the
 * ranks of a job, one does, and the others wait for what it keeps. So they all go by the same answer, and a slow file
 * system is read once.
 *
 * Who has the turn holds a socket of an abstract name, which the kernel gives to one process and takes back when that
 * ends, however it ends. Nothing is promised: who cannot have a turn, or has waited long enough, analyses by itself.
 */
#ifndef ITEXCTL_CHECK_TURN_H
#define ITEXCTL_CHECK_TURN_H

#include <stdint.h>

/*
 * The turn for a question, as a descriptor whose closing ends it, as does exec; -1 where somebody else had it (and has
 * ended it, or timeout_ms have passed), or there is none to be had. Either way the cache is to be asked again.
 */
int check_turn_take(const char *key, int64_t timeout_ms);

#endif
