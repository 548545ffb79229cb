/*
 * libitexclient: how a training job asks the node what to run with.
 *
 *     itex_decision *d = NULL;
 *     itex_request *r = itex_request_new();
 *     itex_request_set_fact(r, "keras", "3");
 *     if (itex_resolve(r, &d) == ITEX_OK && itex_decision_apply(d) == ITEX_OK)
 *         itex_decision_accept(d);
 *     itex_decision_free(d);
 *     itex_request_free(r);
 *
 * before TensorFlow is loaded, for it reads its environment once.
 *
 * General rules.
 *   - No threads, nothing printed, never aborts, never changes a signal handler. SIGPIPE is never raised.
 *   - Every blocking call ends by its deadline (itex_request_set_timeout; 2 000 ms unless told otherwise).
 *   - An object belongs to the thread that uses it; different objects may be used by different threads at once.
 *     Only itex_decision_apply touches the process's environment: call it before other threads read it.
 *   - After fork the child must not use objects of its parent except to free them, which disturbs nobody; a new
 *     connection is made for a new request.
 *   - Strings that functions return belong to the object and live as long as it. NULL as an object is accepted by
 *     every *_free and refused elsewhere: with ITEX_ERR_ARGUMENT, or with 0, NULL, "" or -1 (a descriptor) where a
 *     function returns no status.
 *   - The library needs libc only.
 *
 * Fail-open. An absent, slow or incompatible service gives ITEX_ERR_ABSENT, ITEX_ERR_SLOW or
 * ITEX_ERR_INCOMPATIBLE and leaves the job's environment as it is; whether the job runs all the same is the
 * caller's decision (itex_error_is_unavailable tells). ITEX_ERR_BUSY is not one of them: the service is there
 * and cannot give what was asked.
 */
#ifndef ITEXCLIENT_H
#define ITEXCLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

#define ITEX_MAJOR 1
#define ITEX_MINOR 1

typedef struct itex_request itex_request;   /* what a job asks, and how */
typedef struct itex_decision itex_decision; /* what the service answered */

typedef enum itex_status {
    ITEX_OK = 0,
    ITEX_AGAIN = 1,             /* itex_dispatch: not finished yet */
    ITEX_ERR_ARGUMENT = -1,     /* a NULL, a value or name that cannot be, or a request that is too large */
    ITEX_ERR_MEMORY = -2,       /* no memory, or no descriptors, left in this process */
    ITEX_ERR_ABSENT = -3,       /* no socket, nobody listening, or not itexd on the other side */
    ITEX_ERR_SLOW = -4,         /* no answer by the deadline */
    ITEX_ERR_INCOMPATIBLE = -5, /* no common major version */
    ITEX_ERR_BUSY = -6,         /* devices are taken, or a limit is reached: try again */
    ITEX_ERR_REFUSED = -7,      /* not permitted */
    ITEX_ERR_REJECTED = -8,     /* itex_decision_apply: the decision's verdict is rejected */
    ITEX_ERR_SERVICE = -9,      /* the service reported an error: see itex_request_error */
    ITEX_ERR_ENVIRONMENT = -10, /* a variable that may not be set, or setenv failed; nothing was changed */
} itex_status;

/* 1 for the three errors that fail-open covers. */
int itex_error_is_unavailable(itex_status status);
/* A short English text for a status; never NULL, static. */
const char *itex_status_text(itex_status status);
/* "1.1.0": the version of the interface that the library in use has, ITEX_MAJOR.ITEX_MINOR and a correction. */
const char *itex_version(void);

/* ---- Asking -------------------------------------------------------------------------------------- */

/* NULL without memory. The environment is read when the request is resolved, not here. */
itex_request *itex_request_new(void);
void itex_request_free(itex_request *request);

/* Path of the socket; default $ITEXD_SOCKET, else /run/itexd-socket/itexd.sock. */
itex_status itex_request_set_socket(itex_request *request, const char *path);
/* Milliseconds for the whole call, from 1; default 2000. Time to wait for devices is added to it. */
itex_status itex_request_set_timeout(itex_request *request, unsigned milliseconds);
/* A fact the job declares: "keras" "3", "jit" "auto", "custom_ops" "true", "itex" "2.15.0.3" ... Names and values
 * are in itexctl(1); the service checks them. Set twice: the later one holds. */
itex_status itex_request_set_fact(itex_request *request, const char *name, const char *value);
/* Since 1.1. A fact that was found on the node, such as an installed version: what is declared beats it, and where the
 * two differ the decision says so. */
itex_status itex_request_set_node_fact(itex_request *request, const char *name, const char *value);
/* A variable as the job will have it, instead of the process's own; value NULL: unset. */
itex_status itex_request_set_variable(itex_request *request, const char *name, const char *value);
/* 0: variables of the process are not collected, only those of itex_request_set_variable. Default 1. */
itex_status itex_request_set_collect(itex_request *request, int collect);
/* "enforce" or "advise"; default: what the service is configured for. */
itex_status itex_request_set_policy(itex_request *request, const char *policy);
/* 1: apply solutions of errors and unsupported cases only. */
itex_status itex_request_set_apply_errors(itex_request *request, int errors_only);
/* Job id; default the scheduler's (SLURM_JOB_ID, PBS_JOBID, LSB_JOBID, FLUX_JOB_ID). */
itex_status itex_request_set_job(itex_request *request, const char *job);
/* Devices wanted; count 0 (the default): none. tiles 1: count tiles, not cards. shared 1: others may share.
 * wait: milliseconds to wait for them. */
itex_status itex_request_set_devices(itex_request *request, unsigned count, int tiles, int shared, unsigned wait);

/* Since 1.1. Of the devices of itex_request_set_devices: bytes of memory that must be free on each; 0 (the default):
 * any.
 */
itex_status itex_request_set_memory(itex_request *request, uint64_t bytes);
/* Since 1.1. Their model, as the driver names it or a part of it. */
itex_status itex_request_set_model(itex_request *request, const char *model);
/* Since 1.1. "node" (the default): every rank of the node sees all devices of their lease; "rank": its own only. */
itex_status itex_request_set_bind(itex_request *request, const char *bind);
/* Since 1.1. The NUMA node they are preferably on; default: the process's own where it may run on one only. */
itex_status itex_request_set_numa(itex_request *request, int node);
/* Since 1.1. 1: where the node has no device at all, none are meant. Busy stays busy. */
itex_status itex_request_set_allow_none(itex_request *request, int allow);
/* Since 1.1. The process that holds the devices, of the same user; the lease ends with it. Default: the calling one. */
itex_status itex_request_set_holder(itex_request *request, pid_t process);
/*
 * Since 1.1. Called during itex_resolve and itex_dispatch whenever the place in the queue for devices changes, position
 * from 1. It may call nothing with the request. NULL: nobody (the default).
 */
typedef void (*itex_waiting_fn)(unsigned position, void *data);
itex_status itex_request_on_waiting(itex_request *request, itex_waiting_fn function, void *data);

/*
 * Asks and waits for the decision. *decision is set on ITEX_OK only and freed by the caller. A request may be
 * resolved again after a failure: it carries the same request id, so a retry never makes a second decision; after a
 * success, or after a setting that changes the question, the next call is a new decision. The job's environment counts
 * as part of the question: who changes it before a retry makes a new request.
 */
itex_status itex_resolve(itex_request *request, itex_decision **decision);

/*
 * The same without blocking: start, poll itex_request_fd for itex_request_events (POLLIN, POLLOUT), call
 * itex_dispatch, which returns ITEX_AGAIN until it is done. The deadline counts from start; itex_dispatch returns
 * ITEX_ERR_SLOW after it. The descriptor is one for the whole call, whatever connection is behind it, becomes readable
 * at the deadline too, and is closed when the call ends: take it out of a poll set before the last itex_dispatch, or
 * let poll be called anew. Starting again gives up what was under way.
 */
itex_status itex_resolve_start(itex_request *request);
int itex_request_fd(const itex_request *request);
short itex_request_events(const itex_request *request);
itex_status itex_dispatch(itex_request *request, itex_decision **decision);

/* The last failure in words: what, which, what to do. "" when there was none. */
const char *itex_request_error(const itex_request *request);

/* ---- The decision -------------------------------------------------------------------------------- */

/*
 * Since 1.1. The decision that this process runs under already: ITEXD_DECISION names it, and the service that made it
 * is asked for it, at socket (NULL: as for a request), within timeout_ms milliseconds, from 1. *decision is set on
 * ITEX_OK only and freed by the caller; it is as recorded, and itex_decision_report with it tells what this process
 * got. ITEX_ERR_ARGUMENT where there is no ITEXD_DECISION, or one without a number: nothing was recorded.
 * ITEX_ERR_REFUSED for another user's, ITEX_ERR_SERVICE where it is no longer kept.
 */
itex_status itex_decision_inherited(const char *socket, unsigned timeout_ms, itex_decision **decision);

/* The connection stays open inside the decision until it is freed, and with it what was offered. */
void itex_decision_free(itex_decision *decision);
/*
 * Since 1.1. Closes the connection already now: one that is open for as long as a job runs counts against what its user
 * may have. What was accepted stays. A later call with the decision makes a new connection; no events come without one.
 */
void itex_decision_disconnect(itex_decision *decision);

/* The last failure of a call with this decision in words; "" when there was none. */
const char *itex_decision_error(const itex_decision *decision);

/* 0 where the service could not record it. */
uint64_t itex_decision_id(const itex_decision *decision);
/* "npd+xla", "npd", "stream-executor", "none"; NULL where under advise nothing is reached. */
const char *itex_decision_mode(const itex_decision *decision);
/* "ok", "fixed", "advised", "rejected". */
const char *itex_decision_verdict(const itex_decision *decision);
/* What the job's own environment would have come to; NULL: not known. */
const char *itex_decision_predicted_mode(const itex_decision *decision);
const char *itex_decision_predicted_outcome(const itex_decision *decision);
const char *itex_decision_ruleset_digest(const itex_decision *decision);

/* Changes to the environment, by index from 0; *value NULL: to unset. ITEX_ERR_ARGUMENT past the end. */
size_t itex_decision_env_count(const itex_decision *decision);
itex_status itex_decision_env(const itex_decision *decision, size_t index, const char **name, const char **value);
/* What the job must do itself ("jit_compile=False"); NULL past the end. */
size_t itex_decision_obligation_count(const itex_decision *decision);
const char *itex_decision_obligation(const itex_decision *decision, size_t index);
size_t itex_decision_diagnostic_count(const itex_decision *decision);
/* Each of the five may be NULL. *solution is NULL where there is none. */
itex_status itex_decision_diagnostic(const itex_decision *decision, size_t index, const char **rule,
                                     const char **severity, const char **message, const char **solution, int *applied);

/* Since 1.1. The devices that the job sees, by index from 0, in the order in which it numbers them. Each of the four
 * may be NULL; *bdf (PCI address) and *uuid are NULL where not known, *tile is -1 for a whole card. */
size_t itex_decision_device_count(const itex_decision *decision);
itex_status itex_decision_device(const itex_decision *decision, size_t index, const char **bdf, const char **uuid,
                                 int *tile, const char **name);
/* Since 1.1. The lease they are held by; 0: none (none were asked for, or a scheduler gave them). */
uint64_t itex_decision_lease(const itex_decision *decision);
/* Since 1.1. Which of them is this process's own, or the first of its own; -1 without a lease. */
int itex_decision_local_device(const itex_decision *decision);

/*
 * Since 1.1. What happens to a device that is held (kind "device"), or to the service ("stopping"), as a line of text.
 * Poll itex_decision_fd for POLLIN and call itex_decision_dispatch, which calls function for each event that has come
 * and never waits; calls with the decision deliver events too. function may call nothing with the decision. The
 * descriptor lives as long as the decision. ITEX_ERR_ABSENT once the service has closed the connection: nothing comes
 * any more, and the lease stays as it is.
 */
typedef void (*itex_event_fn)(const char *kind, const char *text, void *data);
itex_status itex_decision_on_event(itex_decision *decision, itex_event_fn function, void *data);
int itex_decision_fd(const itex_decision *decision);
itex_status itex_decision_dispatch(itex_decision *decision);

/*
 * Sets and unsets what was decided, ITEXD_DECISION, and with a lease ITEXD_LEASE and ITEXD_LOCAL_DEVICE, in the
 * process's environment: all or nothing. Refuses (ITEX_ERR_ENVIRONMENT) any variable outside the list that rules may
 * touch, whatever the service says. ITEX_ERR_REJECTED where there is nothing valid to apply.
 */
itex_status itex_decision_apply(itex_decision *decision);
/* Tells the service that the decision is in force; does not wait for an answer longer than the deadline. */
itex_status itex_decision_accept(itex_decision *decision);
/*
 * Since 1.1. Gives back what is held under this decision, before its holder ends; where others hold the same lease,
 * their part in it stays. For who has closed the devices, or has never opened them: they may be given to others at
 * once. ITEX_OK also where nothing is held (any more).
 */
itex_status itex_decision_release(itex_decision *decision);
/* Tells what the job really got: "npd+xla" ... or "none" on the CPU, and how many XPUs. *match (may be NULL): 1 as
 * promised. ITEX_ERR_ARGUMENT where the decision is not recorded: there is nothing to compare with. */
itex_status itex_decision_report(itex_decision *decision, const char *mode, unsigned devices, int *match);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif
#endif
