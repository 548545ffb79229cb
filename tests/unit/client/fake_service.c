/* Plain blocking code in a thread; poll on the stop pipe beside every wait. */
#include "tests/unit/client/fake_service.h"

#include "proto/framing.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define require(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            perror("fake service: " #condition);                                                                       \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static void *run(void *data)
{
    struct fake_service *s = data;

    s->script(s);
    return NULL;
}

struct fake_service *fake_start(int type, fake_script script)
{
    struct fake_service *s = calloc(1, sizeof *s);
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    require(s);
    s->script = script;
    s->received_fd = -1;
    require(pthread_mutex_init(&s->lock, NULL) == 0);
    strcpy(s->directory, "/tmp/itexd-client-test-XXXXXX");
    require(mkdtemp(s->directory));
    snprintf(s->path, sizeof s->path, "%s/s", s->directory);
    strcpy(address.sun_path, s->path);
    s->listening = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    require(s->listening >= 0);
    require(bind(s->listening, (struct sockaddr *)&address, sizeof address) == 0);
    require(listen(s->listening, 16) == 0);
    require(pipe(s->stop) == 0);
    require(pthread_create(&s->thread, NULL, run, s) == 0);
    s->running = true;
    return s;
}

void fake_stop(struct fake_service *s)
{
    if (!s->running)
        return;
    close(s->stop[1]);
    require(pthread_join(s->thread, NULL) == 0);
    close(s->stop[0]);
    if (s->listening >= 0)
        close(s->listening);
    unlink(s->path);
    rmdir(s->directory);
    s->running = false;
}

void fake_free(struct fake_service *s)
{
    fake_stop(s);
    if (s->received_fd >= 0)
        close(s->received_fd);
    free(s);
}

bool fake_wait(struct fake_service *s, int fd)
{
    struct pollfd fds[2] = {{.fd = s->stop[0], .events = POLLIN}, {.fd = fd, .events = POLLIN}};

    require(poll(fds, 2, 20000) > 0);
    return !fds[0].revents;
}

void fake_hold(struct fake_service *s)
{
    struct pollfd stopped = {.fd = s->stop[0], .events = POLLIN};

    require(poll(&stopped, 1, 20000) > 0);
}

int fake_accept(struct fake_service *s)
{
    if (!fake_wait(s, s->listening))
        return -1;
    int fd = accept4(s->listening, NULL, NULL, SOCK_CLOEXEC);
    require(fd >= 0);
    s->connections++;
    return fd;
}

static void take_note(struct fake_service *s, const Itexd__V1__Request *request, int received_fd)
{
    pthread_mutex_lock(&s->lock);
    s->requests++;
    if (request->body_case == ITEXD__V1__REQUEST__BODY_RESOLVE && s->resolves < 8 &&
        request->resolve->request_id.len == 16)
        memcpy(s->ids[s->resolves++], request->resolve->request_id.data, 16);
    if (request->body_case == ITEXD__V1__REQUEST__BODY_ACCEPT)
        s->accepted = request->accept->decision;
    if (request->body_case == ITEXD__V1__REQUEST__BODY_LEASE_RELEASE && request->lease_release->request_id.len == 16)
        memcpy(s->released, request->lease_release->request_id.data, 16);
    if (received_fd >= 0) {
        if (s->received_fd >= 0)
            close(s->received_fd);
        s->received_fd = received_fd;
    }
    pthread_mutex_unlock(&s->lock);
}

Itexd__V1__Request *fake_receive(struct fake_service *s, int fd)
{
    static _Thread_local uint8_t buffer[ITEXD_MAX_PACKET];
    int received = -1;

    if (!fake_wait(s, fd))
        return NULL;
    ssize_t size = frame_receive(fd, buffer, &received);
    if (size <= 0)
        return NULL;
    Itexd__V1__Request *request = itexd__v1__request__unpack(NULL, (size_t)size, buffer);
    require(request);
    take_note(s, request, received);
    return request;
}

void fake_send(int fd, Itexd__V1__ServerPacket *packet)
{
    size_t size = itexd__v1__server_packet__get_packed_size(packet);
    uint8_t *bytes = malloc(size);

    require(bytes);
    itexd__v1__server_packet__pack(packet, bytes);
    frame_send(fd, bytes, size, -1); /* the client may be gone */
    free(bytes);
}

static void send_reply(int fd, Itexd__V1__Reply *reply, uint64_t id)
{
    Itexd__V1__ServerPacket packet = ITEXD__V1__SERVER_PACKET__INIT;

    reply->has_id = id != 0;
    reply->id = id;
    packet.kind_case = ITEXD__V1__SERVER_PACKET__KIND_REPLY;
    packet.reply = reply;
    fake_send(fd, &packet);
}

void fake_reply_hello(int fd, uint64_t id, const char *name, uint32_t major, uint32_t minimum)
{
    Itexd__V1__Reply reply = ITEXD__V1__REPLY__INIT;
    Itexd__V1__HelloReply hello = ITEXD__V1__HELLO_REPLY__INIT;

    hello.name = (char *)name;
    hello.version = (char *)"9.9-fake";
    hello.has_major = hello.has_minor = hello.has_minimum_major = 1;
    hello.major = major;
    hello.minor = 7;
    hello.minimum_major = minimum;
    reply.body_case = ITEXD__V1__REPLY__BODY_HELLO;
    reply.hello = &hello;
    send_reply(fd, &reply, id);
}

void fake_reply_error(int fd, uint64_t id, Itexd__V1__Error__Code code, const char *text)
{
    Itexd__V1__Reply reply = ITEXD__V1__REPLY__INIT;
    Itexd__V1__Error error = ITEXD__V1__ERROR__INIT;

    error.has_code = 1;
    error.code = code;
    error.text = (char *)text;
    reply.body_case = ITEXD__V1__REPLY__BODY_ERROR;
    reply.error = &error;
    send_reply(fd, &reply, id);
}

void fake_reply_done(int fd, uint64_t id)
{
    Itexd__V1__Reply reply = ITEXD__V1__REPLY__INIT;
    Itexd__V1__Done done = ITEXD__V1__DONE__INIT;

    reply.body_case = ITEXD__V1__REPLY__BODY_DONE;
    reply.done = &done;
    send_reply(fd, &reply, id);
}

static void reply_released(int fd, uint64_t id)
{
    Itexd__V1__Reply reply = ITEXD__V1__REPLY__INIT;
    Itexd__V1__LeaseReleaseReply release = ITEXD__V1__LEASE_RELEASE_REPLY__INIT;

    reply.body_case = ITEXD__V1__REPLY__BODY_LEASE_RELEASE;
    reply.lease_release = &release;
    send_reply(fd, &reply, id);
}

void fake_reply_report(int fd, uint64_t id, bool match)
{
    Itexd__V1__Reply reply = ITEXD__V1__REPLY__INIT;
    Itexd__V1__ReportReply report = ITEXD__V1__REPORT_REPLY__INIT;

    report.has_match = 1;
    report.match = match;
    reply.body_case = ITEXD__V1__REPLY__BODY_REPORT;
    reply.report = &report;
    send_reply(fd, &reply, id);
}

void fake_event(int fd, const char *kind)
{
    Itexd__V1__ServerPacket packet = ITEXD__V1__SERVER_PACKET__INIT;
    Itexd__V1__Event event = ITEXD__V1__EVENT__INIT;

    event.kind = (char *)kind;
    packet.kind_case = ITEXD__V1__SERVER_PACKET__KIND_EVENT;
    packet.event = &event;
    fake_send(fd, &packet);
}

bool fake_lease;

void fake_reply_decision(int fd, uint64_t id, const char *verdict, const Itexd__V1__Variable *variable)
{
    Itexd__V1__Reply reply = ITEXD__V1__REPLY__INIT;
    Itexd__V1__Decision decision = ITEXD__V1__DECISION__INIT;
    Itexd__V1__Outcome outcome = ITEXD__V1__OUTCOME__INIT;
    Itexd__V1__RuleSetName ruleset = ITEXD__V1__RULE_SET_NAME__INIT;
    Itexd__V1__Diagnostic diagnostic = ITEXD__V1__DIAGNOSTIC__INIT;
    Itexd__V1__Lease lease = ITEXD__V1__LEASE__INIT;
    Itexd__V1__Diagnostic *diagnostics[] = {&diagnostic};
    Itexd__V1__Variable *variables[] = {(Itexd__V1__Variable *)variable};
    char *obligations[] = {(char *)"jit_compile=False", (char *)"script:a,b.py:3"};

    diagnostic.rule = (char *)"keras3-1";
    diagnostic.severity = (char *)"error";
    diagnostic.message = (char *)"PluggableDevice cannot work";
    diagnostic.has_applied = diagnostic.applied = 1;
    ruleset.digest = (char *)"abc123";
    outcome.verdict = (char *)verdict;
    outcome.mode = (char *)"npd";
    outcome.predicted_outcome = (char *)"abort";
    outcome.n_env = variable ? 1 : 0;
    outcome.env = variables;
    outcome.n_obligations = 2;
    outcome.obligations = obligations;
    outcome.n_diagnostics = 1;
    outcome.diagnostics = diagnostics;
    decision.has_id = decision.has_recorded = decision.recorded = 1;
    decision.id = 42;
    decision.outcome = &outcome;
    decision.ruleset = &ruleset;
    lease.has_id = 1;
    lease.id = 7;
    decision.lease = fake_lease ? &lease : NULL;
    reply.body_case = ITEXD__V1__REPLY__BODY_DECISION;
    reply.decision = &decision;
    send_reply(fd, &reply, id);
}

int fake_greet_as(struct fake_service *s, const char *name, uint32_t major, uint32_t minimum)
{
    int fd = fake_accept(s);

    if (fd < 0)
        return -1;
    Itexd__V1__Request *request = fake_receive(s, fd);
    if (request && request->body_case == ITEXD__V1__REQUEST__BODY_HELLO)
        fake_reply_hello(fd, request->id, name, major, minimum);
    itexd__v1__request__free_unpacked(request, NULL);
    return fd;
}

int fake_greet(struct fake_service *s)
{
    return fake_greet_as(s, "itexd", 1, 1);
}

void fake_mute(struct fake_service *s)
{
    int fd = fake_accept(s);

    fake_hold(s);
    close(fd);
}

static void answer(int fd, const Itexd__V1__Request *request)
{
    Itexd__V1__Variable variable = ITEXD__V1__VARIABLE__INIT;

    variable.name = (char *)"ITEX_DISABLE_XLA";
    variable.value = (char *)"1";
    switch (request->body_case) {
    case ITEXD__V1__REQUEST__BODY_RESOLVE:
    case ITEXD__V1__REQUEST__BODY_EXPLAIN:
        fake_reply_decision(fd, request->id, "fixed", &variable);
        break;
    case ITEXD__V1__REQUEST__BODY_ACCEPT:
        fake_reply_done(fd, request->id);
        break;
    case ITEXD__V1__REQUEST__BODY_REPORT:
        fake_reply_report(fd, request->id, strcmp(request->report->mode, "npd") == 0);
        break;
    case ITEXD__V1__REQUEST__BODY_LEASE_RELEASE:
        reply_released(fd, request->id);
        break;
    default:
        fake_reply_done(fd, request->id);
    }
}

void fake_serve(struct fake_service *s, int fd)
{
    Itexd__V1__Request *request;

    while ((request = fake_receive(s, fd))) {
        answer(fd, request);
        itexd__v1__request__free_unpacked(request, NULL);
    }
}

void fake_itexd(struct fake_service *s)
{
    int fd;

    while ((fd = fake_greet(s)) >= 0) {
        fake_serve(s, fd);
        close(fd);
    }
}
