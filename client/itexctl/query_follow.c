/*
 * query --follow. What is new is asked for twice a second, by one look at the end of an index: an event that the
 * service pushed would need a queue for each reader that is slow, would be lost with the connection, and would have
 * to be made up for by asking anyway. Nobody sees half a second.
 *
 * In between, the connection tells at once when the service goes.
 */
#include "client/itexctl/query.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define PAUSE_MS 500

struct follow {
    struct query_print *print;
    const struct query_values *values;
    struct connection *connection;
    Itexd__V1__Query *query;
    bool gone;        /* the service, and it has been said */
    unsigned n_times; /* that the connection had been made */
};

/* ---- Where to begin --------------------------------------------------------------------------------------- */

/* The newest decision that the caller may see; 0: none. What comes later is above it. */
static int find_newest(struct follow *follow, uint64_t *newest, struct failure *failure)
{
    Itexd__V1__Query any = ITEXD__V1__QUERY__INIT;
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    if (query_page(follow->values, follow->connection, &any, 1, &reply, failure) < 0)
        return -1;
    *newest = reply->query->n_decisions > 0 ? reply->query->decisions[0]->id : 0;
    return 0;
}

/* The oldest of the last `limit` that match is the first to be printed; they are read again, oldest first. */
static int find_start(struct follow *follow, uint64_t limit, struct failure *failure)
{
    Itexd__V1__Query back = *follow->query;
    uint64_t start, rows = 0;
    bool more = true;
    if (find_newest(follow, &start, failure) < 0)
        return -1;
    if (limit == 0)
        start = 0;
    while (more && rows < limit) {
        CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
        if (query_page(follow->values, follow->connection, &back, limit - rows, &reply, failure) < 0)
            return -1;
        const Itexd__V1__QueryPage *page = reply->query;
        rows += page->n_decisions;
        if (page->n_decisions > 0)
            start = page->decisions[page->n_decisions - 1]->id - 1;
        more = page->has_before;
        back.has_before = 1;
        back.before = page->before;
    }
    follow->query->has_after = 1;
    follow->query->after = start;
    return 0;
}

/* ---- Going on ----------------------------------------------------------------------------------------------- */

/* Whether a later attempt may work: the service is away, or busy. */
static bool passes(const struct failure *failure)
{
    return failure->unavailable || failure->status == EXIT_TRY_AGAIN;
}

static void say_gone(struct follow *follow, const char *why)
{
    if (!follow->gone)
        note("%s; waiting for it, and going on where it was", why);
    follow->gone = true;
}

/* A restart within a call is noticed only afterwards. */
static void say_back(struct follow *follow)
{
    unsigned n_times = connection_count(follow->connection);
    if (follow->gone)
        note("itexd answers again");
    else if (follow->n_times != 0 && n_times != follow->n_times)
        note("itexd was restarted; going on where it was");
    follow->gone = false;
    follow->n_times = n_times;
}

/* False when nobody reads the output any more. */
static bool pause_a_while(struct follow *follow)
{
    struct pollfd watched[] = {{.fd = STDOUT_FILENO},
                               {.fd = follow->gone ? -1 : connection_fd(follow->connection), .events = POLLIN}};
    poll(watched, LENGTH(watched), PAUSE_MS);
    if (watched[0].revents & (POLLERR | POLLNVAL))
        return false;
    if (watched[1].revents && connection_events(follow->connection) != CALL_AGAIN)
        say_gone(follow, "itexd has ended or is being restarted");
    return true;
}

/* Ids that went back are of another database, of which nothing has been shown. */
static void go_on(struct follow *follow, const Itexd__V1__QueryPage *page)
{
    if (page->after < follow->query->after) {
        note("itexd has begun a new database; its decisions are shown from the first");
        follow->query->after = 0;
    } else {
        follow->query->after = page->after;
    }
}

/* Until a page is empty. */
static int print_new(struct follow *follow, struct failure *failure)
{
    bool more = true;
    while (more && !ferror(stdout)) {
        CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
        if (query_page(follow->values, follow->connection, follow->query, QUERY_PAGE_ROWS, &reply, failure) < 0)
            return -1;
        say_back(follow);
        if (query_print_page(follow->print, reply->query, failure) < 0)
            return -1;
        more = reply->query->n_decisions > 0;
        go_on(follow, reply->query);
        fflush(stdout);
    }
    return 0;
}

int query_follow(struct query_print *print, const struct query_values *values, struct connection *connection,
                 Itexd__V1__Query *query, uint64_t limit, struct failure *failure)
{
    struct follow follow = {.print = print, .values = values, .connection = connection, .query = query};
    /* later pages have what the first has not */
    print->columns[3].width = 12;
    print->columns[5].width = (int)strlen("stream-executor");
    if (find_start(&follow, limit, failure) < 0)
        return -1;
    do {
        if (print_new(&follow, failure) == 0)
            continue;
        if (!passes(failure))
            return -1;
        say_gone(&follow, failure->text ? failure->text : "itexd does not answer");
        failure_clear(failure);
    } while (!ferror(stdout) && pause_a_while(&follow));
    return 0;
}
