/*
 * One supervised child of the service, as the loop sees it: the device worker or the keeper.
 *
 * The child is the same binary, re-executed by the spawner (spawner.h) with one end of a socketpair. It answers one
 * request at a time; each has a deadline, and a child that misses it, dies, or sends what cannot be decoded is killed
 * and started again after a delay that doubles, with jitter, from CHILD_BACKOFF_FIRST_MS to CHILD_BACKOFF_LAST_MS.
 * One whose answers are of no use is failed by whoever asked (child_fail), and then treated the same.
 * A child that has answered for CHILD_STEADY_MS starts over with the first delay. After CHILD_GIVE_UP deaths without a
 * steady time between them it is given up (CHILD_GIVEN_UP) until child_lift. One that does not die though killed
 * (a call that hangs in the kernel) is CHILD_STUCK: no other is started beside it, for it would hang as well.
 *
 * What the child is doing is known from outside, by one page of shared memory in which it writes the name of the call
 * it is about to make (struct child_page): so a death or a hang is reported with its place.
 *
 * up() is called as soon as requests are taken, which is before the child has answered any (CHILD_STARTING until then).
 *
 * Everything here runs in the loop and never waits. Callbacks run from the loop, never within a call of this interface.
 */
#ifndef ITEXD_CHILDREN_CHILD_H
#define ITEXD_CHILDREN_CHILD_H

#include "child.pb-c.h"
#include "daemon/children/spawner.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#define CHILD_BACKOFF_FIRST_MS 200
#define CHILD_BACKOFF_LAST_MS 60000
#define CHILD_STEADY_MS 30000
#define CHILD_GIVE_UP 10
#define CHILD_STUCK_MS 2000
/* A child of which nothing was asked for CHILD_PING_MS is asked whether it lives. */
#define CHILD_PING_MS 5000
#define CHILD_PING_DEADLINE_MS 10000
/* A request's or reply's longest packet: the inventory of 64 cards with 8 tiles, all linked, is 120 KiB; 4096 processes
 * are 300 KiB. The kernel's default limit for a socket's buffer allows 416 KiB. */
#define CHILD_PACKET_MAX (384 << 10)
/* What a decoded reply may take in memory. */
#define CHILD_DECODED_MAX (4 << 20)

/* Shared with the child; only the child writes it. Read with care: it may hold anything. */
struct child_page {
    char call[64];      /* the foreign function it is in, "" between them */
    uint32_t in_sysman; /* that function is sysman's, or the driver was initialised with sysman on and is not proven */
};

enum child_state {
    CHILD_OFF,      /* not wanted */
    CHILD_STARTING, /* asked of the spawner, or it has not answered its first request yet */
    CHILD_UP,
    CHILD_WAITING, /* died; starts again when the delay is over */
    CHILD_STUCK,   /* was killed and does not die */
    CHILD_GIVEN_UP,
};

struct child_death {
    int signal;    /* that ended it; 0: it exited */
    int status;    /* exit status */
    bool deadline; /* killed, for a request's deadline passed */
    bool asked;    /* child_restart, or no longer wanted */
    bool in_sysman;
    char call[64];  /* in which it was, "" for none; printable */
    char text[208]; /* all of this for a person: "killed by SIGSEGV in zesInit" */
};

struct child_callbacks {
    void *context;
    /* It runs and takes requests. */
    void (*up)(void *context);
    /* It has ended; what was outstanding has been answered with NULL. */
    void (*down)(void *context, const struct child_death *death);
};

/* reply is NULL where the child ended first; valid during the call only. An error text of the child's is in it. */
typedef void (*child_reply_fn)(void *context, const Itexd__Child__Reply *reply);

struct child;

/* arguments of the next start are asked for at each start (they change, for example without sysman). */
typedef void (*child_arguments_fn)(void *context, struct spawner_arguments *arguments);

/* Does not start it yet. NULL without memory. */
struct child *child_new(struct event_base *base, struct spawner *spawner, enum child_kind kind,
                        child_arguments_fn arguments, const struct child_callbacks *callbacks);
/* Other delays than CHILD_BACKOFF_*. */
void child_set_backoff(struct child *child, unsigned first_ms, unsigned last_ms);
/* Kills it; no callback runs any more. Not from within a callback. */
void child_free(struct child *child);

void child_start(struct child *child);
/* Ends it and starts it again at once; also lifts a give-up. why becomes part of the death's text. */
void child_restart(struct child *child, const char *why);
/* Ends it as one that has failed by itself, because of what it answered: why becomes the death's text. */
void child_fail(struct child *child, const char *why);
/* Ends it and leaves it off until child_start. */
void child_stop(struct child *child, const char *why);

/* Queues a request (its id is set here); copies it. done always runs, once. 0, -ENOTCONN while it is not up, -ENOMEM.
 */
int child_request(struct child *child, Itexd__Child__Request *request, unsigned deadline_ms, child_reply_fn done,
                  void *context);

enum child_state child_state(const struct child *child);
const char *child_state_name(enum child_state state);
pid_t child_pid(const struct child *child); /* 0: none runs */
unsigned child_restarts(const struct child *child);
/* The last death's text, "" where there was none; when it will be started again (steady clock), 0: not waiting. */
const char *child_last_death(const struct child *child);
uint64_t child_next_start_ms(const struct child *child);

#endif
