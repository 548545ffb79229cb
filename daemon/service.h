/* The whole service: what its parts share. One of it per process, owned by main. */
#ifndef ITEXD_DAEMON_SERVICE_H
#define ITEXD_DAEMON_SERVICE_H

#include "daemon/call.h"
#include "daemon/decide.h"
#include "daemon/memory.h"
#include "daemon/metrics/counts.h"
#include "daemon/notify.h"
#include "daemon/options.h"
#include "daemon/outcomes.h"
#include "daemon/recording.h"
#include "daemon/requests.h"
#include "daemon/ruleset.h"
#include "daemon/server.h"
#include "db/store.h"

struct devices;
struct enforcement;
struct leases;
struct metrics;
struct spawner;

struct service {
    struct event_base *base;
    struct options options;
    int argc; /* the command line, which a reload applies again over the file */
    char **argv;
    struct store *store;
    struct event *store_ready;
    struct server server;
    struct rulesets rulesets;
    struct decider decider;
    struct requests requests;
    struct outcomes outcomes;
    struct recording recording;
    struct memory memory; /* for the request that is being decoded */
    struct notify notify;
    struct spawner *spawner; /* NULL: no children are started */
    struct devices *devices;
    struct leases *leases;
    struct enforcement *enforcement;
    struct counts counts;
    struct metrics *metrics; /* NULL: nobody is served any */
    struct event *terminate, *interrupt, *hangup, *stop_check;
    gid_t administrators;
    bool has_administrators;
    bool stopping;
    uint64_t stop_by_ms;
    uint64_t start_ms;
    uint64_t n_requests, n_refused;
    size_t open_calls;
    char configuration_problem[256]; /* of the last reload */
};

/* Reading goes on as soon as the store takes writes again. */
void service_hold(struct service *service);
/* Limits and the like that may change while serving. */
void service_apply_options(struct service *service);

#endif
