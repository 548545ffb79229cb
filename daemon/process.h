/*
 * Who is on the other side of a socket, and how processes descend from one another.
 *
 * A pid alone is no identity, for pids come back; pid and start time (field 22 of /proc/PID/stat) together are. Start
 * time 0 means that it could not be learnt: the process had ended, or /proc hides it.
 */
#ifndef ITEXD_DAEMON_PROCESS_H
#define ITEXD_DAEMON_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process {
    uid_t uid;
    gid_t gid;
    pid_t pid;
    uint64_t start;
};

/* Fills who from SO_PEERCRED, with a start time that surely belongs to the process that connected. 0, -errno. */
int process_of_peer(int socket, struct process *who);
/* A descriptor (pidfd) of that process, which must run still. -ESRCH, other -errno. */
int process_open_peer(int socket, const struct process *who);
/* A descriptor of the process with this pid and start time (0: any). -ESRCH, other -errno. */
int process_open(pid_t pid, uint64_t start);
/* 1: the peer has the group, its own or a supplementary one (SO_PEERGROUPS); 0: not; -errno. */
int process_peer_has_group(int socket, gid_t peer_gid, gid_t group);
/* Start time and parent. 0, -ESRCH, other -errno. */
int process_read_stat(pid_t pid, uint64_t *start, pid_t *parent);
/* Owner and start time of one process, though its pid may be given to another meanwhile. 0, -ESRCH, other -errno. */
int process_identify(pid_t pid, uid_t *uid, uint64_t *start);
/* Is `pid` the process (ancestor, start) or one of its descendants, within PROCESS_MAX_GENERATIONS? */
#define PROCESS_MAX_GENERATIONS 64
bool process_descends_from(pid_t pid, pid_t ancestor, uint64_t start);

#endif
