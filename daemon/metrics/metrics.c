#include "daemon/metrics/metrics.h"
#include "daemon/log.h"
#include "daemon/metrics/http.h"
#include "daemon/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct metrics {
    struct service *service;
    struct exchange exchange;
    struct event *wanted;
    struct http *http;
    struct listener listeners[LISTENER_METRICS_MAX + 1];
    size_t n_listeners;
};

static void on_wanted(evutil_socket_t fd, short what, void *context)
{
    struct metrics *metrics = context;

    (void)fd;
    (void)what;
    exchange_publish(&metrics->exchange, snapshot_take(metrics->service));
}

void metrics_free(struct metrics *metrics)
{
    if (!metrics)
        return;
    http_stop(metrics->http);
    if (metrics->wanted)
        event_free(metrics->wanted);
    exchange_deinit(&metrics->exchange);
    for (size_t i = 0; i < metrics->n_listeners; i++)
        listener_close(&metrics->listeners[i]);
    free(metrics);
}

static int open_listeners(struct metrics *metrics, const struct listener_passed *passed, char *error, size_t size)
{
    const struct options *options = &metrics->service->options;
    int result = 0;

    for (size_t i = 0; i < passed->n_metrics; i++) {
        if (result < 0)
            close(passed->metrics[i]);
        else
            result = listener_adopt(&metrics->listeners[metrics->n_listeners], passed->metrics[i], error, size);
        metrics->n_listeners += result == 0;
    }
    if (result < 0 || !options->metrics_socket.text)
        return result;
    result = listener_open(&metrics->listeners[metrics->n_listeners], options->metrics_socket.text,
                           options->metrics_socket_mode, SOCK_STREAM, error, size);
    metrics->n_listeners += result == 0;
    return result;
}

static int start(struct metrics *metrics, char *error, size_t size)
{
    struct service *service = metrics->service;
    struct snapshot *first = snapshot_take(service);
    int fds[LISTENER_METRICS_MAX + 1];

    for (size_t i = 0; i < metrics->n_listeners; i++) {
        fds[i] = metrics->listeners[i].fd;
        log_event(EVENT_METRICS, LOG_TEXT(FIELD_SOCKET, metrics->listeners[i].path));
    }
    metrics->wanted = event_new(service->base, metrics->exchange.wanted, EV_READ | EV_PERSIST, on_wanted, metrics);
    errno = ENOMEM;
    if (first && metrics->wanted && event_add(metrics->wanted, NULL) == 0)
        metrics->http =
            http_start(&metrics->exchange, fds, metrics->n_listeners, first, service->options.database.text);
    if (metrics->http)
        return 0;
    snprintf(error, size, "metrics cannot be served: %s", strerror(errno));
    snapshot_free(first);
    return -errno;
}

int metrics_init(struct service *service, const struct listener_passed *passed, struct metrics **out, char *error,
                 size_t error_size)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);
    int result;

    if (!metrics) {
        snprintf(error, error_size, "out of memory");
        return -ENOMEM;
    }
    metrics->service = service;
    metrics->exchange = (struct exchange)EXCHANGE_NULL;
    result = open_listeners(metrics, passed, error, error_size);
    if (result == 0 && metrics->n_listeners > 0) {
        result = exchange_init(&metrics->exchange);
        if (result < 0)
            snprintf(error, error_size, "metrics cannot be served: %s", strerror(-result));
        else
            result = start(metrics, error, error_size);
    }
    if (result < 0 || metrics->n_listeners == 0) {
        metrics_free(metrics);
        return result;
    }
    *out = metrics;
    return 0;
}
