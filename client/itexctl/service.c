/* Talking to itexd: see service.h. */
#include "client/itexctl/service.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

void service_reply_freep(Itexd__V1__Reply **reply)
{
    if (*reply)
        itexd__v1__reply__free_unpacked(*reply, NULL);
    *reply = NULL;
}

int service_open(const struct context *context, struct connection **connection, struct failure *failure)
{
    int r = connection_new(connection, context->socket, "itexctl");
    return r < 0 ? failure_set(failure, EXIT_INTERNAL, "cannot prepare a connection: %s", strerror(-r)) : 0;
}

int service_call(struct connection *connection, Itexd__V1__Request *request, int fd, int64_t timeout_ms,
                 Itexd__V1__Reply__BodyCase expected, Itexd__V1__Reply **reply, struct failure *failure)
{
    CLEANUP(service_reply_freep) Itexd__V1__Reply *answer = NULL;
    unsigned timeout = timeout_ms < 1 ? 1 : timeout_ms > INT_MAX ? INT_MAX : (unsigned)timeout_ms;
    int r = connection_call(connection, request, fd, timeout, &answer);
    if (r != CALL_OK)
        return failure_from_call(failure, connection, r);
    if (answer->body_case == ITEXD__V1__REPLY__BODY_ERROR)
        return failure_from_service(failure, answer->error);
    if (answer->body_case != expected) {
        failure_set(failure, EXIT_UNAVAILABLE, "%s answered with something else than was asked; is it a newer itexd?",
                    connection_path(connection));
        failure->unavailable = true;
        return -1;
    }
    *reply = TAKE_PTR(answer);
    return 0;
}

int service_once(const struct context *context, Itexd__V1__Request *request, int64_t timeout_ms,
                 Itexd__V1__Reply__BodyCase expected, Itexd__V1__Reply **reply, struct failure *failure)
{
    CLEANUP(connection_freep) struct connection *connection = NULL;
    if (service_open(context, &connection, failure) < 0)
        return -1;
    return service_call(connection, request, -1, timeout_ms, expected, reply, failure);
}

void service_mark(struct connection *connection, char mark[32])
{
    Itexd__V1__StatusRequest body = ITEXD__V1__STATUS_REQUEST__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    request.body_case = ITEXD__V1__REQUEST__BODY_STATUS;
    request.status = &body;
    mark[0] = '\0';
    if (service_call(connection, &request, -1, DEFAULT_TIMEOUT_MS, ITEXD__V1__REPLY__BODY_STATUS, &reply, &failure) ==
            0 &&
        reply->status->substitute)
        snprintf(mark, 32, "%.31s", reply->status->substitute);
}

/* ---- Rule files, fetched in pages ------------------------------------------------------------------ */

struct buffer {
    uint8_t *data;
    size_t size;
};

static void buffer_clear(struct buffer *buffer)
{
    free(buffer->data);
}

static int append(struct buffer *buffer, const ProtobufCBinaryData *page)
{
    uint8_t *data = realloc(buffer->data, buffer->size + page->len + 1);
    if (!data)
        return -ENOMEM;
    memcpy(data + buffer->size, page->data, page->len);
    buffer->data = data;
    buffer->size += page->len;
    return 0;
}

/* One page; *complete when it was the last. */
static int fetch_page(struct connection *connection, uint64_t id, int64_t timeout_ms, struct buffer *buffer,
                      Itexd__V1__RuleSetInfo **info, bool *complete, struct failure *failure)
{
    Itexd__V1__RulesShow show = ITEXD__V1__RULES_SHOW__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    show.has_id = id != 0;
    show.id = id;
    show.has_offset = 1;
    show.offset = buffer->size;
    request.body_case = ITEXD__V1__REQUEST__BODY_RULES_SHOW;
    request.rules_show = &show;
    if (service_call(connection, &request, -1, timeout_ms, ITEXD__V1__REPLY__BODY_RULES_SHOW, &reply, failure) < 0)
        return -1;
    Itexd__V1__RulesShowReply *page = reply->rules_show;
    bool sensible = page->info && page->total <= RULES_MAX_BYTES && page->offset == buffer->size &&
                    (page->data.len > 0 || buffer->size >= page->total);
    if (!sensible)
        return failure_set(failure, EXIT_UNAVAILABLE, "itexd sent the rule set in a way that makes no sense");
    if (append(buffer, &page->data) < 0)
        return failure_set(failure, EXIT_INTERNAL, "out of memory");
    *complete = buffer->size >= page->total;
    if (!*info)
        *info = TAKE_PTR(page->info);
    return 0;
}

static int unpack_files(const struct buffer *buffer, struct rule_files *files, struct failure *failure)
{
    Itexd__V1__RuleFiles *message = itexd__v1__rule_files__unpack(NULL, buffer->size, buffer->data);
    if (!message)
        return failure_set(failure, EXIT_UNAVAILABLE, "itexd sent a rule set that cannot be read");
    int r = 0;
    for (size_t i = 0; i < message->n_files && r >= 0; i++) {
        const char *text = message->files[i]->text ? message->files[i]->text : "";
        const char *name = message->files[i]->name ? message->files[i]->name : "";
        r = rule_files_add(files, name, text, strlen(text));
    }
    itexd__v1__rule_files__free_unpacked(message, NULL);
    return r < 0 ? failure_set(failure, EXIT_INTERNAL, "out of memory") : 0;
}

int service_rule_files(struct connection *connection, uint64_t id, int64_t timeout_ms, struct rule_files *files,
                       Itexd__V1__RuleSetInfo **info, struct failure *failure)
{
    CLEANUP(buffer_clear) struct buffer buffer = {NULL, 0};
    Itexd__V1__RuleSetInfo *found = NULL;
    bool complete = false;
    int r = 0;
    while (r == 0 && !complete) {
        r = fetch_page(connection, id, timeout_ms, &buffer, &found, &complete, failure);
        if (r == 0 && id == 0)
            id = found->id; /* the next pages are of the same set, even if another becomes active meanwhile */
    }
    if (r == 0)
        r = unpack_files(&buffer, files, failure);
    if (r == 0 && info)
        *info = TAKE_PTR(found);
    if (found)
        itexd__v1__rule_set_info__free_unpacked(found, NULL);
    return r;
}
