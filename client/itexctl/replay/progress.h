/*
 * A line on a terminal that says how far something long has come, how fast it is, and how long it will take. Nothing
 * where standard error is no terminal. It is gone when progress_end has been called, and while nothing is shown yet
 * there is nothing to clean up.
 */
#ifndef ITEXCTL_REPLAY_PROGRESS_H
#define ITEXCTL_REPLAY_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *what;
    bool shows; /* there is a terminal */
    bool shown; /* there is a line on it */
    int width;  /* its columns */
    uint64_t began_ms, drawn_ms;
};

void progress_begin(struct progress *progress, const char *what);
/* Draws, but not often. total 0: not known. */
void progress_set(struct progress *progress, uint64_t done, uint64_t total);
void progress_end(struct progress *progress);

/* The line, for tests: of at most width columns into text. elapsed in ms. */
#define PROGRESS_LINE 256
void progress_line(char text[PROGRESS_LINE], int width, const char *what, uint64_t done, uint64_t total,
                   uint64_t elapsed_ms);

#endif
