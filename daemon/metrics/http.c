/*
 * The thread. Requests for metrics are parked: those that came since the last question to the loop wait for the next
 * one, those that came before it for its answer. All that wait for the same answer get the same text.
 */
#include "daemon/metrics/http.h"
#include "daemon/log.h"
#include "daemon/metrics/connections.h"
#include "daemon/metrics/render.h"
#include "daemon/own_event_base.h"
#include "proto/clock.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#define THREAD_STACK (256 * 1024)
#define GREETING "itexd: the metrics are at /metrics\n"

/* A request that waits for numbers. */
struct parked {
    STAILQ_ENTRY(parked) link;
    struct evhttp_request *request;
    enum metrics_format format;
};
STAILQ_HEAD(parked_list, parked);

/* A snapshot's text in one format, shared by all answers that are being sent. */
struct page {
    unsigned references;
    struct text text;
};

struct http {
    struct exchange *exchange;
    char *database;
    pthread_t thread;
    int stop_fd;
    struct event_base *base;
    struct evhttp *server;
    struct connections *connections;
    struct event *stop, *ready, *next, *patience;
    struct snapshot *snapshot;
    struct page *pages[METRICS_FORMATS]; /* of the snapshot; NULL: not made yet */
    struct parked_list waiting, asked;
    uint64_t asked_ms; /* steady clock; 0: never */
    bool asking;
    uint64_t scrapes;
};

/* ---- Pages ------------------------------------------------------------------------------------------------ */

static void page_put(struct page *page)
{
    if (!page || --page->references > 0)
        return;
    text_clear(&page->text);
    free(page);
}

static void forget_pages(struct http *http)
{
    for (size_t i = 0; i < METRICS_FORMATS; i++) {
        page_put(http->pages[i]);
        http->pages[i] = NULL;
    }
}

/* NULL without memory. The reference is the server's. */
static struct page *page_of(struct http *http, enum metrics_format format)
{
    const struct render_own own = {.database = http->database, .scrapes = http->scrapes};
    struct page *page = http->pages[format];

    if (page)
        return page;
    page = calloc(1, sizeof *page);
    if (!page)
        return NULL;
    page->references = 1;
    page->text.format = format;
    render(&page->text, http->snapshot, &own);
    if (page->text.failed) {
        page_put(page);
        return NULL;
    }
    http->pages[format] = page;
    return page;
}

static void on_sent(const void *data, size_t size, void *page)
{
    (void)data;
    (void)size;
    page_put(page);
}

/* ---- Answering -------------------------------------------------------------------------------------------- */

static void set_header(struct evhttp_request *request, const char *name, const char *value)
{
    evhttp_add_header(evhttp_request_get_output_headers(request), name, value);
}

/* body may be NULL. A HEAD gets the header alone, with the length that the body would have. */
static void reply(struct evhttp_request *request, int code, const char *type, struct evbuffer *body)
{
    char length[24];

    snprintf(length, sizeof length, "%zu", body ? evbuffer_get_length(body) : 0);
    set_header(request, "Content-Length", length);
    set_header(request, "Content-Type", type);
    set_header(request, "Connection", "close");
    set_header(request, "X-Content-Type-Options", "nosniff");
    evhttp_send_reply(request, code, NULL, evhttp_request_get_command(request) == EVHTTP_REQ_HEAD ? NULL : body);
}

static void reply_text(struct evhttp_request *request, int code, const char *text)
{
    struct evbuffer *body = evbuffer_new();

    if (body)
        evbuffer_add(body, text, strlen(text));
    reply(request, code, "text/plain; charset=utf-8", body);
    if (body)
        evbuffer_free(body);
}

static void reply_page(struct http *http, struct parked *parked)
{
    struct page *page = http->snapshot ? page_of(http, parked->format) : NULL;
    struct evbuffer *body = evbuffer_new();

    if (page && body && evbuffer_add_reference(body, page->text.data, page->text.size, on_sent, page) == 0) {
        page->references++;
        http->scrapes++;
        reply(parked->request, HTTP_OK, metrics_content_type(parked->format), body);
    } else {
        reply_text(parked->request, HTTP_INTERNAL, "itexd is out of memory\n");
    }
    if (body)
        evbuffer_free(body);
}

static void answer(struct http *http, struct parked_list *list)
{
    struct parked *parked;

    while ((parked = STAILQ_FIRST(list))) {
        STAILQ_REMOVE_HEAD(list, link);
        reply_page(http, parked);
        free(parked);
    }
}

/* ---- Asking the loop -------------------------------------------------------------------------------------- */

static struct timeval milliseconds(uint64_t ms)
{
    return (struct timeval){.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
}

/* Those who wait, at once or as soon as enough time has passed since the last question. */
static void ask(struct http *http)
{
    const struct timeval patience = milliseconds(HTTP_PATIENCE_MS);
    uint64_t since = clock_steady_ms() - http->asked_ms;

    if (http->asking || STAILQ_EMPTY(&http->waiting))
        return;
    if (http->asked_ms != 0 && since < EXCHANGE_LEAST_MS) {
        struct timeval later = milliseconds(EXCHANGE_LEAST_MS - since);
        evtimer_add(http->next, &later);
        return;
    }
    STAILQ_CONCAT(&http->asked, &http->waiting);
    http->asked_ms = clock_steady_ms();
    http->asking = true;
    exchange_ask(http->exchange);
    evtimer_add(http->patience, &patience);
}

static void on_next(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    ask(context);
}

static void on_ready(evutil_socket_t fd, short what, void *context)
{
    struct http *http = context;
    struct snapshot *snapshot = exchange_take(http->exchange);

    (void)fd;
    (void)what;
    if (snapshot) {
        snapshot_free(http->snapshot);
        http->snapshot = snapshot;
        forget_pages(http);
    }
    evtimer_del(http->patience);
    http->asking = false;
    answer(http, &http->asked);
    ask(http);
}

/* The loop does not answer: what there is has to do, with its age told anew. */
static void on_patience_over(evutil_socket_t fd, short what, void *context)
{
    static const struct timeval again = {.tv_sec = HTTP_PATIENCE_MS / 1000};
    struct http *http = context;

    (void)fd;
    (void)what;
    forget_pages(http);
    answer(http, &http->asked);
    STAILQ_CONCAT(&http->asked, &http->waiting);
    if (!STAILQ_EMPTY(&http->asked) || http->asking)
        evtimer_add(http->patience, &again);
}

/* ---- Requests --------------------------------------------------------------------------------------------- */

static bool has_body(struct evhttp_request *request)
{
    return evbuffer_get_length(evhttp_request_get_input_buffer(request)) > 0;
}

static void on_metrics(struct evhttp_request *request, void *context)
{
    struct http *http = context;
    struct parked *parked = has_body(request) ? NULL : malloc(sizeof *parked);

    if (!parked) {
        reply_text(request, has_body(request) ? HTTP_BADREQUEST : HTTP_INTERNAL, "this request cannot be answered\n");
        return;
    }
    parked->request = request;
    parked->format = metrics_negotiate(evhttp_find_header(evhttp_request_get_input_headers(request), "Accept"));
    STAILQ_INSERT_TAIL(&http->waiting, parked, link);
    ask(http);
}

static void on_other(struct evhttp_request *request, void *context)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri ? evhttp_uri_get_path(uri) : NULL;

    (void)context;
    if (path && strcmp(path, "/") == 0)
        reply_text(request, HTTP_OK, GREETING);
    else
        reply_text(request, HTTP_NOTFOUND, GREETING);
}

/* ---- The thread ------------------------------------------------------------------------------------------- */

static void on_stop(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    event_base_loopbreak(((struct http *)context)->base);
}

static void *thread_main(void *context)
{
    struct http *http = context;

    prctl(PR_SET_NAME, "itexd-metrics");
    event_base_dispatch(http->base);
    return NULL;
}

/* Requests that wait are the server's again, which frees them with their connections. */
static void drop(struct parked_list *list)
{
    struct parked *parked;

    while ((parked = STAILQ_FIRST(list))) {
        STAILQ_REMOVE_HEAD(list, link);
        reply_text(parked->request, HTTP_SERVUNAVAIL, "itexd is stopping\n");
        free(parked);
    }
}

static void free_event(struct event *event)
{
    if (event)
        event_free(event);
}

static void http_free(struct http *http)
{
    drop(&http->waiting);
    drop(&http->asked);
    if (http->server)
        evhttp_free(http->server);
    connections_free(http->connections);
    free_event(http->stop);
    free_event(http->ready);
    free_event(http->next);
    free_event(http->patience);
    if (http->base)
        event_base_free(http->base);
    forget_pages(http);
    snapshot_free(http->snapshot);
    if (http->stop_fd >= 0)
        close(http->stop_fd);
    free(http->database);
    free(http);
}

static int make_server(struct http *http, const int *fds, size_t n_fds)
{
    http->server = evhttp_new(http->base);
    http->connections =
        http->server ? connections_new(http->base, http->server, HTTP_CONNECTIONS, HTTP_DEADLINE_MS) : NULL;
    if (!http->connections)
        return -ENOMEM;
    evhttp_set_allowed_methods(http->server, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_max_headers_size(http->server, HTTP_HEADER_BYTES);
    evhttp_set_max_body_size(http->server, 0);
    evhttp_set_timeout(http->server, HTTP_DEADLINE_MS / 1000 + 1);
    evhttp_set_gencb(http->server, on_other, http);
    if (evhttp_set_cb(http->server, "/metrics", on_metrics, http) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < n_fds; i++)
        if (connections_listen(http->connections, fds[i]) < 0)
            return -ENOMEM;
    return 0;
}

static int make_events(struct http *http)
{
    http->stop = event_new(http->base, http->stop_fd, EV_READ, on_stop, http);
    http->ready = event_new(http->base, http->exchange->ready, EV_READ | EV_PERSIST, on_ready, http);
    http->next = evtimer_new(http->base, on_next, http);
    http->patience = evtimer_new(http->base, on_patience_over, http);
    if (!http->stop || !http->ready || !http->next || !http->patience || event_add(http->stop, NULL) < 0 ||
        event_add(http->ready, NULL) < 0)
        return -ENOMEM;
    return 0;
}

static int run(struct http *http)
{
    sigset_t all, before;
    pthread_attr_t attributes;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's */
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, THREAD_STACK);
    error = pthread_create(&http->thread, &attributes, thread_main, http);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -error;
}

struct http *http_start(struct exchange *exchange, const int *fds, size_t n_fds, struct snapshot *first,
                        const char *database)
{
    struct http *http = calloc(1, sizeof *http);
    int error;

    if (!http)
        return NULL;
    STAILQ_INIT(&http->waiting);
    STAILQ_INIT(&http->asked);
    http->exchange = exchange;
    http->database = strdup(database);
    http->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    http->base = own_event_base();
    error = http->database && http->stop_fd >= 0 && http->base ? make_server(http, fds, n_fds) : -ENOMEM;
    if (error == 0)
        error = make_events(http);
    http->snapshot = first;
    if (error == 0)
        error = run(http);
    if (error == 0)
        return http;
    http->snapshot = NULL;
    http_free(http);
    errno = -error;
    return NULL;
}

void http_stop(struct http *http)
{
    const uint64_t one = 1;

    if (!http)
        return;
    if (write(http->stop_fd, &one, sizeof one) < 0)
        return; /* cannot be: nobody else writes to it */
    pthread_join(http->thread, NULL);
    http_free(http);
}
