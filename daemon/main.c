/*
 * itexd: start, signals, stop. Runs in the foreground; exit statuses: 0 stopped as asked, 2 wrong command line, 70
 * something failed that should not, 78 wrong configuration or rules, or a database newer than the program.
 *
 * Order of the start: configuration, database, rules, socket. So a client that can connect is served, and a service
 * that cannot serve never takes the socket.
 */
#include "daemon/children/inside.h"
#include "daemon/children/spawner.h"
#include "daemon/decide_devices.h"
#include "daemon/devices/devices.h"
#include "daemon/handlers.h"
#include "daemon/keeper/keeper.h"
#include "daemon/leases/enforcement.h"
#include "daemon/leases/leases.h"
#include "daemon/log.h"
#include "daemon/metrics/metrics.h"
#include "daemon/own_event_base.h"
#include "daemon/service.h"
#include "daemon/status.h"
#include "daemon/worker/device_worker.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EXIT_USAGE 2
#define EXIT_INTERNAL 70
#define EXIT_CONFIGURATION 78

#define STORE_EVENTS_PER_TURN 256
#define OUTCOME_CACHE_BYTES ((size_t)2 << 20)
#define REQUESTS_REMEMBERED 65536
#define STOP_CHECK_MS 10

static void print_messages(const struct yaml_messages *messages)
{
    for (size_t i = 0; i < messages->n_items; i++)
        fprintf(stderr, "itexd: %s%s\n", messages->items[i].warning ? "warning: " : "", messages->items[i].text);
}

static void log_rule_messages(const struct yaml_messages *messages)
{
    for (size_t i = 0; i < messages->n_items; i++)
        log_event(messages->items[i].warning ? EVENT_RULES_WARNING : EVENT_RULES_MISTAKE,
                  LOG_TEXT(FIELD_MESSAGE, messages->items[i].text));
}

/* ---- What options mean for the parts ---------------------------------------------------------------------- */

static struct server_limits limits_of(const struct options *options)
{
    return (struct server_limits){
        .connections = options->connections,
        .outbound_bytes = options->outbound_bytes_per_peer,
        .hello_ms = options->hello_timeout,
        .stall_ms = options->stall_timeout,
        .user = {.connections = options->connections_per_uid,
                 .requests = options->requests_in_flight_per_uid,
                 .bytes = options->outbound_bytes_per_uid},
    };
}

static struct store_config store_config_of(const struct options *options)
{
    return (struct store_config){
        .path = options->database.text,
        .durability_full = options->durability == OPTION_DURABILITY_FULL,
        .retention_seconds = options->retention_days * 86400,
        .retention_decisions = options->retention_decisions,
        .queue_limit = options->write_queue,
        .checkpoint_pages = options->checkpoint_pages,
    };
}

static enum log_level level_of(const struct options *options)
{
    return (enum log_level)(LOG_ERROR + options->log_level); /* the words are in the order of the levels */
}

void service_apply_options(struct service *service)
{
    struct server_limits limits = limits_of(&service->options);
    struct store_config config = store_config_of(&service->options);

    log_set_level(level_of(&service->options));
    server_set_limits(&service->server, &limits);
    store_reconfigure(service->store, &config);
    service->requests.window_ms = service->options.retry_window;
    leases_apply_options(service->leases);
    status_notify(service);
}

/* ---- The store's answers ---------------------------------------------------------------------------------- */

void service_hold(struct service *service)
{
    server_hold(&service->server);
}

static void on_store_ready(evutil_socket_t fd, short what, void *context)
{
    struct service *service = context;

    (void)fd;
    (void)what;
    store_dispatch(service->store, STORE_EVENTS_PER_TURN);
    recording_check(service);
    rulesets_check_store(service);
    if (service->server.held && decide_unblock(service) &&
        store_queued(service->store) <= service->options.write_queue / 2)
        server_resume(&service->server);
}

/* ---- Stopping --------------------------------------------------------------------------------------------- */

static void on_stop_check(evutil_socket_t fd, short what, void *context)
{
    struct service *service = context;
    bool done = service->open_calls == 0 && LIST_EMPTY(&service->decider.pending) && server_flushed(&service->server);

    (void)fd;
    (void)what;
    if (!done && clock_steady_ms() < service->stop_by_ms) {
        static const struct timeval again = {.tv_usec = STOP_CHECK_MS * 1000};
        evtimer_add(service->stop_check, &again);
        return;
    }
    if (!done)
        log_event(EVENT_STOP_TIMEOUT, LOG_NUMBER(FIELD_UNANSWERED, service->open_calls));
    event_base_loopbreak(service->base);
}

/* What is pending is answered first. */
static void stop(struct service *service, const char *why)
{
    if (service->stopping)
        return;
    service->stopping = true;
    service->stop_by_ms = clock_steady_ms() + service->options.stop_timeout;
    log_event(EVENT_STOPPING, LOG_TEXT(FIELD_WHY, why), LOG_NUMBER(FIELD_UNANSWERED, service->open_calls));
    notify_stopping();
    server_stop(&service->server);
    decide_devices_stop(service);
    event_active(service->stop_check, EV_TIMEOUT, 0);
}

static void on_stop_signal(evutil_socket_t number, short what, void *context)
{
    (void)what;
    stop(context, number == SIGTERM ? "SIGTERM" : "SIGINT");
}

static void on_hangup(evutil_socket_t number, short what, void *context)
{
    (void)number;
    (void)what;
    if (!((struct service *)context)->stopping)
        rulesets_reload(context, NULL);
}

/* ---- Starting --------------------------------------------------------------------------------------------- */

static void raise_descriptor_limit(const struct options *options)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < options->connections + 64)
        log_event(EVENT_FEW_DESCRIPTORS, LOG_NUMBER(FIELD_LIMIT, limit.rlim_cur),
                  LOG_NUMBER(FIELD_CONNECTIONS, options->connections));
}

/* Names are looked up here only: the loop never waits for a name service. */
static void find_administrators(struct service *service)
{
    const struct group *group = getgrnam(service->options.group.text);

    service->has_administrators = group != NULL;
    if (group)
        service->administrators = group->gr_gid;
    else
        log_event(EVENT_NO_GROUP, LOG_TEXT(FIELD_GROUP, service->options.group.text),
                  LOG_TEXT(FIELD_MESSAGE, "only root and itexd's own user administrate"));
}

static void remember(void *context, const struct store_decision *row)
{
    struct service *service = context;
    struct request_key key;
    struct request_entry *entry;

    memset(&key, 0, sizeof key);
    memcpy(key.id, row->request_id, sizeof key.id);
    key.uid = row->uid;
    key.pid = row->pid;
    key.start = row->start_time;
    if (requests_find(&service->requests, &key))
        return;
    entry = requests_add(&service->requests, &key);
    if (!entry)
        return;
    entry->acceptable = strcmp(row->verdict, "rejected") != 0;
    entry->holds = entry->acceptable; /* of what the live leases know; of nothing in most cases */
    entry->lease = row->lease;
    entry->owner = row->uid;
    requests_settle(&service->requests, entry, row->id, clock_steady_ms());
}

static int open_store(struct service *service)
{
    struct store_config config = store_config_of(&service->options);
    char error[512] = "";
    int result = store_open(&config, &service->store, error, sizeof error);

    if (result < 0) {
        log_event(EVENT_DATABASE_UNUSABLE, LOG_TEXT(FIELD_PATH, config.path), LOG_TEXT(FIELD_MESSAGE, error));
        return result == -ENOTSUP ? EXIT_CONFIGURATION : EXIT_INTERNAL;
    }
    service->store_ready =
        event_new(service->base, store_fd(service->store), EV_READ | EV_PERSIST, on_store_ready, service);
    if (!service->store_ready || event_add(service->store_ready, NULL) < 0 ||
        requests_init(&service->requests, REQUESTS_REMEMBERED, service->options.retry_window) < 0)
        return EXIT_INTERNAL;
    store_recent(service->store, (unsigned)(service->options.retry_window / 1000), remember, service);
    return 0;
}

static int start_rules(struct service *service)
{
    CLEANUP(yaml_messages_clear) struct yaml_messages messages = YAML_MESSAGES_INIT;
    int error = rulesets_init(service, &messages);

    log_rule_messages(&messages);
    if (error == 0)
        return 0;
    log_event(EVENT_NO_RULES, LOG_TEXT(FIELD_MESSAGE, "there is no usable rule set; correct the rule files"));
    return error == -EINVAL ? EXIT_CONFIGURATION : EXIT_INTERNAL;
}

static int open_request_socket(const struct service *service, int passed, struct listener *listener, char *error,
                               size_t error_size)
{
    const struct options *options = &service->options;

    if (passed >= 0)
        return listener_adopt(listener, passed, error, error_size);
    return listener_open(listener, options->socket.text, options->socket_mode, SOCK_SEQPACKET, error, error_size);
}

static int start_server(struct service *service, int passed)
{
    struct listener listener;
    struct server_limits limits = limits_of(&service->options);
    struct server_callbacks callbacks = handlers_callbacks(service);
    char error[512];

    if (open_request_socket(service, passed, &listener, error, sizeof error) < 0) {
        log_event(EVENT_SOCKET_UNUSABLE, LOG_TEXT(FIELD_MESSAGE, error));
        return EXIT_CONFIGURATION;
    }
    return server_init(&service->server, service->base, &listener, &limits, &callbacks) < 0 ? EXIT_INTERNAL : 0;
}

/* Metrics first: they are of the whole service, and who can connect to that finds both. */
static int start_sockets(struct service *service)
{
    struct listener_passed passed;
    char error[512];

    if (listener_take_passed(&passed, error, sizeof error) < 0 ||
        metrics_init(service, &passed, &service->metrics, error, sizeof error) < 0) {
        log_event(EVENT_SOCKET_UNUSABLE, LOG_TEXT(FIELD_MESSAGE, error));
        return EXIT_CONFIGURATION;
    }
    return start_server(service, passed.requests);
}

static int add_signal(struct service *service, struct event **event, int number, event_callback_fn callback)
{
    *event = evsignal_new(service->base, number, callback, service);
    return *event && event_add(*event, NULL) == 0 ? 0 : EXIT_INTERNAL;
}

static int start_events(struct service *service)
{
    int error = add_signal(service, &service->terminate, SIGTERM, on_stop_signal);

    if (error == 0)
        error = add_signal(service, &service->interrupt, SIGINT, on_stop_signal);
    if (error == 0)
        error = add_signal(service, &service->hangup, SIGHUP, on_hangup);
    service->stop_check = evtimer_new(service->base, on_stop_check, service);
    if (error != 0 || !service->stop_check)
        return EXIT_INTERNAL;
    return notify_init(&service->notify, service->base) < 0 ? EXIT_INTERNAL : 0;
}

/* Leases before devices: what lives must be known before a device is given. They may say whose a card is at once. */
static int start_devices(struct service *service)
{
    int error = enforcement_init(service, &service->enforcement);

    if (error == 0)
        error = leases_init(service, &service->leases);
    if (error == 0)
        error = devices_init(service, &service->devices);
    if (error < 0)
        log_event(EVENT_DEVICES_UNUSABLE, LOG_TEXT(FIELD_MESSAGE, strerror(-error)));
    return error < 0 ? EXIT_INTERNAL : 0;
}

static int start(struct service *service)
{
    int error;

    service->base = own_event_base();
    if (!service->base)
        return EXIT_INTERNAL;
    memory_init(&service->memory);
    outcomes_init(&service->outcomes, OUTCOME_CACHE_BYTES);
    decider_init(&service->decider);
    service->start_ms = clock_wall_ms();
    if (service->spawner && spawner_attach(service->spawner, service->base) < 0)
        return EXIT_INTERNAL;
    raise_descriptor_limit(&service->options);
    find_administrators(service);
    error = open_store(service);
    if (error == 0)
        error = start_rules(service);
    if (error == 0)
        error = start_events(service);
    if (error == 0)
        error = start_devices(service);
    if (error == 0)
        error = start_sockets(service);
    return error;
}

static void free_event(struct event *event)
{
    if (event)
        event_free(event);
}

/* Peers first, for their calls point to everything else; the store before what its last commits refer to. */
static void finish(struct service *service)
{
    metrics_free(service->metrics);
    server_deinit(&service->server);
    recording_deinit(&service->recording);
    free_event(service->terminate);
    free_event(service->interrupt);
    free_event(service->hangup);
    free_event(service->stop_check);
    free_event(service->store_ready);
    if (service->base)
        rulesets_deinit(service);
    notify_deinit(&service->notify);
    devices_stop(service->devices);
    store_closep(&service->store);
    leases_free(service->leases);
    devices_free(service->devices);
    enforcement_free(service->enforcement);
    if (service->base) {
        decider_deinit(&service->decider);
        requests_deinit(&service->requests);
        outcomes_clear(&service->outcomes);
        memory_deinit(&service->memory);
        counts_deinit(&service->counts);
    }
    spawner_stop(service->spawner);
    if (service->base)
        event_base_free(service->base);
}

/* While the process has neither threads nor clients. From then on it has no capabilities. */
static int start_spawner(struct service *service)
{
    if (service->options.devices != OPTION_DEVICES_AUTO)
        return 0;
    service->spawner = spawner_start();
    if (!service->spawner)
        log_event(EVENT_NO_SPAWNER, LOG_TEXT(FIELD_MESSAGE, strerror(errno)));
    return service->spawner ? 0 : EXIT_INTERNAL;
}

static int serve(struct service *service)
{
    int status;

    signal(SIGPIPE, SIG_IGN);
    log_set_level(level_of(&service->options));
    status = start_spawner(service);
    if (status != 0)
        return status;
    log_start();
    status = start(service);
    if (status == 0) {
        malloc_trim(0);
        log_event(EVENT_STARTED, LOG_TEXT(FIELD_VERSION, ITEXD_VERSION),
                  LOG_TEXT(FIELD_SOCKET, service->server.listener.path),
                  LOG_TEXT(FIELD_DATABASE, service->options.database.text),
                  LOG_TEXT(FIELD_RULES, service->rulesets.active->name));
        recording_check(service);
        status_notify(service);
        notify_ready(&service->notify);
        event_base_dispatch(service->base);
    }
    finish(service);
    log_event(EVENT_STOPPED, LOG_NUMBER(FIELD_STATUS, status));
    log_stop();
    return status;
}

/* --check: what a start would say about configuration and rules, examples included. */
static int check(const struct options *options)
{
    CLEANUP(yaml_messages_clear) struct yaml_messages messages = YAML_MESSAGES_INIT;
    CLEANUP(ruleset_putp) struct ruleset *set = NULL;
    int error = ruleset_compile_directory(options->rules.text, &set, &messages);

    if (error == 0)
        rules_run_examples(set->rules, &messages);
    print_messages(&messages);
    if (error < 0 || messages.n_errors > 0)
        return EXIT_CONFIGURATION;
    printf("itexd: configuration and %zu rules (%s) are in order\n", rule_set_size(rules_compiled(set->rules)),
           set->name);
    return 0;
}

static int run(struct service *service)
{
    CLEANUP(yaml_messages_clear) struct yaml_messages messages = YAML_MESSAGES_INIT;
    int result = options_load(service->argc, service->argv, &service->options, &messages);

    print_messages(&messages);
    if (result < 0)
        return EXIT_INTERNAL;
    if (result != OPTIONS_OK)
        return result == OPTIONS_USAGE ? EXIT_USAGE : EXIT_CONFIGURATION;
    if (service->options.help) {
        options_help(stdout);
        return 0;
    }
    if (service->options.version) {
        puts("itexd " ITEXD_VERSION);
        return 0;
    }
    return service->options.check ? check(&service->options) : serve(service);
}

/* What the spawner starts is this program too, by a word of its own: children/inside.h. */
static void become_child(int argc, char **argv)
{
    static const struct {
        const char *word, *name;
        int (*main)(int argc, char **argv);
    } children[] = {
        {CHILD_WORD_DEVICE_WORKER, "itexd-worker", device_worker_main},
        {CHILD_WORD_KEEPER, "itexd-keeper", keeper_main},
    };

    for (size_t i = 0; argc > 1 && i < sizeof children / sizeof *children; i++)
        if (strcmp(argv[1], children[i].word) == 0) {
            prctl(PR_SET_NAME, children[i].name);
            exit(children[i].main(argc, argv));
        }
}

/* A standard descriptor that is closed would be the next file or client, and the log be written there. */
static void occupy_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    struct service *service;
    int status;

    become_child(argc, argv);
    service = calloc(1, sizeof *service);
    if (!service)
        return EXIT_INTERNAL;
    occupy_standard_descriptors();
    service->argc = argc;
    service->argv = argv;
    service->rulesets.background = (struct background)BACKGROUND_NULL;
    status = run(service);
    options_clear(&service->options);
    free(service);
    return status;
}
