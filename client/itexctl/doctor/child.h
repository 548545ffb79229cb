/*
 * A function in a process of its own, for what may hang or crash: it gets memory that both share, so that what it had
 * found by then is known however it ends, and what it printed is kept.
 */
#ifndef ITEXCTL_DOCTOR_CHILD_H
#define ITEXCTL_DOCTOR_CHILD_H

#include <stdbool.h>
#include <stddef.h>

#define CHILD_OUTPUT_SIZE 65536

enum child_end {
    CHILD_EXITED, /* number is its status */
    CHILD_KILLED, /* by signal number */
    CHILD_HUNG,   /* it was killed at the deadline */
    CHILD_STUCK,  /* it does not even die: it hangs in the kernel, and is left behind */
};

struct child_result {
    enum child_end end;
    int number;
    size_t size;                        /* of what it printed on stdout and stderr */
    char output[CHILD_OUTPUT_SIZE + 1]; /* that, as far as it fits, with a NUL behind it */
};

/* Made by child_shared, of size bytes, zeroed; NULL without memory. */
void *child_shared(size_t size);
void child_unshare(void *shared, size_t size);

/*
 * Runs work(context) in a child, which ends by _exit(0) when it returns; it may also exec. stdin is /dev/null. Not
 * longer than timeout_ms (at least 1). 0 with *result; -errno where no child could be made.
 */
int child_run(void (*work)(void *context), void *context, int timeout_ms, struct child_result *result);

/* "killed by SIGSEGV (Segmentation fault)", "no answer within 5 s", "ended with status 1". */
void child_describe(const struct child_result *result, int timeout_ms, char *text, size_t size);

#endif
