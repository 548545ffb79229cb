/*
 * A connection is a small state machine that connection_dispatch drives; the blocking form polls and dispatches.
 *
 *   CLOSED --connect--> HELLO --valid hello--> READY
 *
 * and back to CLOSED whenever the socket breaks; while a call is under way and may be (re)sent, CLOSED tries again with
 * growing pauses. One epoll descriptor holds the socket and a timer, so that a caller polls the same descriptor
 * through all of it. Invariants: socket >= 0 exactly in HELLO and READY; call.packet is kept until the call ends;
 * at most one call is under way.
 */
#include "client/core/connection.h"

#include "proto/cleanup.h"
#include "proto/clock.h"
#include "proto/framing.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>

/* One dispatch handles so many packets at most, so that a service that floods us cannot outrun the deadline. */
#define PACKETS_PER_TURN 32
#define FIRST_PAUSE_MS 1
#define LONGEST_PAUSE_MS 64
/* A service that stops may close connections which it never greeted; who always does so is not itexd. */
#define UNGREETED_ATTEMPTS 5

/* Beside enum call_result, inside this file: a step that made progress. */
#define STEP_MORE 100

enum connection_state { CLOSED, HELLO, READY };

struct call {
    bool active;
    bool repeatable; /* may be sent again after it may have arrived */
    bool sent;
    bool established;       /* a valid hello was seen, so a refused connect is a restart, not absence */
    enum call_result blame; /* what the deadline will mean */
    unsigned ungreeted;
    uint64_t deadline;     /* of clock_steady_ms */
    uint64_t next_attempt; /* in CLOSED */
    unsigned pause;
    uint64_t id;
    uint8_t *packet;
    size_t size;
    int fd;
    Itexd__V1__Reply *reply;
};

struct connection {
    char *path;
    char *name;
    pid_t owner;
    int poll_fd;
    int timer_fd;
    int socket;
    uint32_t interest; /* epoll events of the socket */
    enum connection_state state;
    bool hello_sent;
    unsigned n_hellos; /* that were answered */
    uint64_t last_id;
    struct call call;
    connection_event_fn on_event;
    void *on_event_data;
    char error[512];
    uint8_t buffer[ITEXD_MAX_PACKET];
};

__attribute__((format(printf, 3, 4))) static int fail(struct connection *c, int result, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(c->error, sizeof c->error, format, arguments);
    va_end(arguments);
    return result;
}

/* ---- The socket ---------------------------------------------------------------------------------- */

static void close_socket(struct connection *c)
{
    if (c->socket >= 0) {
        /* Explicitly: a forked child may hold a copy of the socket, which would keep it in the epoll set. */
        epoll_ctl(c->poll_fd, EPOLL_CTL_DEL, c->socket, NULL);
        close(c->socket);
    }
    c->socket = -1;
    c->state = CLOSED;
    c->hello_sent = false;
    c->call.sent = false;
}

static int want(struct connection *c, uint32_t interest)
{
    struct epoll_event event = {.events = interest};

    if (c->interest == interest)
        return 0;
    if (epoll_ctl(c->poll_fd, EPOLL_CTL_MOD, c->socket, &event) < 0)
        return fail(c, -errno, "cannot watch the socket: %s", strerror(errno));
    c->interest = interest;
    return 0;
}

/* Not now, but again after a pause. */
static int pause_attempts(struct connection *c)
{
    c->call.next_attempt = clock_steady_ms() + c->call.pause;
    c->call.pause = c->call.pause * 2 > LONGEST_PAUSE_MS ? LONGEST_PAUSE_MS : c->call.pause * 2;
    return CALL_AGAIN;
}

static int connect_failed(struct connection *c, int error)
{
    if (error == EAGAIN) { /* its queue of connections is full: it is there, but slow */
        c->call.blame = CALL_SLOW;
        fail(c, 0, "itexd at %s accepts no connection: it is overloaded or hangs", c->path);
        return pause_attempts(c);
    }
    if (error == EPROTOTYPE)
        return fail(c, CALL_FOREIGN, "what listens at %s is not itexd: it is a socket of another type", c->path);
    fail(c, 0, "no itexd at %s: %s; is the service running (systemctl status itexd) and the path right?", c->path,
         strerror(error));
    if (!c->call.established)
        return CALL_ABSENT;
    c->call.blame = CALL_ABSENT;
    return pause_attempts(c);
}

static int connect_socket(struct connection *c)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct epoll_event event = {.events = EPOLLIN};
    size_t length = strlen(c->path);

    if (length >= sizeof address.sun_path)
        return fail(c, CALL_ABSENT, "the socket's path is longer than %zu bytes, which no socket can have: %.200s",
                    sizeof address.sun_path - 1, c->path);
    memcpy(address.sun_path, c->path, length);

    CLEANUP(closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(c, -errno, "cannot make a socket: %s", strerror(errno));
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return connect_failed(c, errno);
    if (epoll_ctl(c->poll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        return fail(c, -errno, "cannot watch the socket: %s", strerror(errno));
    c->socket = TAKE_FD(fd);
    c->interest = EPOLLIN;
    c->state = HELLO;
    c->call.blame = CALL_SLOW;
    fail(c, 0, "no answer from itexd at %s by the deadline", c->path);
    return STEP_MORE;
}

/* The socket broke. Decides between another attempt and the end of the call. */
static int connection_lost(struct connection *c, const char *why)
{
    bool greeted = c->state == READY;
    bool may_have_arrived = c->call.sent;

    close_socket(c);
    if (greeted)
        c->call.established = true;
    if (may_have_arrived && !c->call.repeatable)
        return fail(c, CALL_LOST,
                    "the connection to itexd at %s was lost (%s); whether the request took effect is not known: "
                    "look at its state before you repeat it",
                    c->path, why);
    if (!greeted && !c->call.established && ++c->call.ungreeted >= UNGREETED_ATTEMPTS)
        return fail(c, CALL_FOREIGN, "what listens at %s is not itexd: it closes the connection without a hello",
                    c->path);
    fail(c, 0, "the connection to itexd at %s was lost (%s)", c->path, why);
    return pause_attempts(c);
}

/* ---- Packets out --------------------------------------------------------------------------------- */

static int receive(struct connection *c);

static int send_packet(struct connection *c, const void *packet, size_t size, int fd, bool *sent)
{
    int r = frame_send(c->socket, packet, size, fd);

    if (r == -EAGAIN) {
        r = want(c, EPOLLIN | EPOLLOUT);
        return r < 0 ? r : CALL_AGAIN;
    }
    if (r == -EPIPE || r == -ECONNRESET || r == -ENOTCONN)
        return receive(c); /* it closed; before that it may have said why */
    if (r < 0)
        return fail(c, r, "cannot send to itexd at %s: %s", c->path, strerror(-r));
    *sent = true;
    r = want(c, EPOLLIN);
    return r < 0 ? r : STEP_MORE;
}

static int send_hello(struct connection *c)
{
    Itexd__V1__Hello hello = ITEXD__V1__HELLO__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    uint8_t packet[512]; /* the name is limited in connection_new */

    hello.name = c->name;
    hello.has_major = hello.has_minor = hello.has_minimum_major = 1;
    hello.major = ITEXD_PROTOCOL_MAJOR;
    hello.minor = ITEXD_PROTOCOL_MINOR;
    hello.minimum_major = ITEXD_PROTOCOL_MINIMUM_MAJOR;
    request.has_id = 1;
    request.id = c->call.id - 1; /* call ids go in steps of two */
    request.body_case = ITEXD__V1__REQUEST__BODY_HELLO;
    request.hello = &hello;
    size_t size = itexd__v1__request__pack(&request, packet);
    return send_packet(c, packet, size, -1, &c->hello_sent);
}

/* ---- Packets in ---------------------------------------------------------------------------------- */

static void packet_freep(Itexd__V1__ServerPacket **packet)
{
    itexd__v1__server_packet__free_unpacked(*packet, NULL);
}

static Itexd__V1__Reply *take_reply(Itexd__V1__ServerPacket *packet)
{
    Itexd__V1__Reply *reply = packet->reply;

    packet->reply = NULL;
    packet->kind_case = ITEXD__V1__SERVER_PACKET__KIND__NOT_SET;
    return reply;
}

static int not_itexd(struct connection *c, const char *why)
{
    close_socket(c);
    return fail(c, CALL_FOREIGN, "what listens at %s is not itexd: %s", c->path, why);
}

static bool is_error(const Itexd__V1__Reply *reply, Itexd__V1__Error__Code code)
{
    return reply->body_case == ITEXD__V1__REPLY__BODY_ERROR && reply->error->has_code && reply->error->code == code;
}

static int incompatible(struct connection *c, uint32_t major, uint32_t minimum, const char *text)
{
    close_socket(c);
    if (text)
        return fail(c, CALL_INCOMPATIBLE, "itexd at %s speaks another version of the protocol: %s", c->path, text);
    return fail(c, CALL_INCOMPATIBLE,
                "itexd at %s speaks versions %u to %u of the protocol, this program %u to %u: update the older of the "
                "two",
                c->path, minimum, major, ITEXD_PROTOCOL_MINIMUM_MAJOR, ITEXD_PROTOCOL_MAJOR);
}

static int greet(struct connection *c, const Itexd__V1__HelloReply *hello)
{
    if (!hello->name || strcmp(hello->name, "itexd") != 0 || !hello->has_major)
        return not_itexd(c, "its hello names another service");
    uint32_t minimum = hello->has_minimum_major ? hello->minimum_major : hello->major;
    if (hello->major < ITEXD_PROTOCOL_MINIMUM_MAJOR || minimum > ITEXD_PROTOCOL_MAJOR)
        return incompatible(c, hello->major, minimum, NULL);
    c->state = READY;
    c->n_hellos++;
    c->call.established = true;
    c->call.pause = FIRST_PAUSE_MS;
    return STEP_MORE;
}

/* The answer to our hello: a hello, or an error that says why not. */
static int hello_reply(struct connection *c, Itexd__V1__ServerPacket *packet)
{
    Itexd__V1__Reply *reply = packet->reply;

    if (reply->body_case == ITEXD__V1__REPLY__BODY_HELLO)
        return greet(c, reply->hello);
    if (reply->body_case != ITEXD__V1__REPLY__BODY_ERROR)
        return not_itexd(c, "its first answer is no hello");
    if (is_error(reply, ITEXD__V1__ERROR__CODE__INCOMPATIBLE))
        return incompatible(c, 0, 0, reply->error->text ? reply->error->text : "no common version");
    if (is_error(reply, ITEXD__V1__ERROR__CODE__STOPPING)) {
        c->call.established = true;
        return connection_lost(c, "it is stopping");
    }
    c->call.reply = take_reply(packet);
    close_socket(c);
    return CALL_OK;
}

static int call_reply(struct connection *c, Itexd__V1__ServerPacket *packet)
{
    Itexd__V1__Reply *reply = packet->reply;
    uint64_t id = reply->has_id ? reply->id : 0;
    bool error = reply->body_case == ITEXD__V1__REPLY__BODY_ERROR;

    if (id < c->call.id && (id != 0 || !c->call.sent))
        return STEP_MORE; /* a late answer to a call that was given up, or why the connection is being closed */
    if (!c->call.sent || (id != c->call.id && !(id == 0 && error)))
        return fail(c, CALL_PROTOCOL, "itexd at %s answered a request that was not made", c->path);
    if (is_error(reply, ITEXD__V1__ERROR__CODE__STOPPING)) {
        c->call.sent = false; /* it says that it did not do it */
        return connection_lost(c, "it is stopping");
    }
    c->call.reply = take_reply(packet);
    return CALL_OK;
}

static int handle_packet(struct connection *c, size_t size)
{
    CLEANUP(packet_freep) Itexd__V1__ServerPacket *packet = itexd__v1__server_packet__unpack(NULL, size, c->buffer);

    if (packet && packet->kind_case == ITEXD__V1__SERVER_PACKET__KIND_EVENT) {
        if (c->on_event)
            c->on_event(packet->event, c->on_event_data);
        return STEP_MORE;
    }
    if (packet && packet->kind_case == ITEXD__V1__SERVER_PACKET__KIND_REPLY)
        return c->state == HELLO ? hello_reply(c, packet) : call_reply(c, packet);
    if (c->state == HELLO)
        return not_itexd(c, "its first answer is no message of the protocol");
    if (packet)
        return STEP_MORE; /* a kind of packet that a newer minor version has */
    return fail(c, CALL_PROTOCOL, "itexd at %s sent a packet of %zu bytes that cannot be decoded", c->path, size);
}

static int receive(struct connection *c)
{
    ssize_t size = frame_receive(c->socket, c->buffer, NULL);

    if (size == -ECONNRESET) /* it closed without having read all of ours; what it said before comes after this error */
        size = frame_receive(c->socket, c->buffer, NULL);
    if (size > 0)
        return handle_packet(c, (size_t)size);
    if (size == 0)
        return connection_lost(c, "it closed the connection");
    if (size == -EAGAIN)
        return CALL_AGAIN;
    if (size == -ECONNRESET || size == -EPIPE || size == -ENOTCONN)
        return connection_lost(c, strerror((int)-size));
    if (size == -EMSGSIZE || size == -EPROTO)
        return c->state == HELLO ? not_itexd(c, "its first packet breaks the framing")
                                 : fail(c, CALL_PROTOCOL, "itexd at %s sent a packet that breaks the framing", c->path);
    return fail(c, (int)size, "cannot receive from itexd at %s: %s", c->path, strerror((int)-size));
}

/* ---- A call -------------------------------------------------------------------------------------- */

/* May the request be sent again though it may have arrived? Those with a request id, and those that only look. */
static bool is_repeatable(const Itexd__V1__Request *request)
{
    switch (request->body_case) {
    case ITEXD__V1__REQUEST__BODY_RESOLVE:
        return request->resolve->has_request_id;
    case ITEXD__V1__REQUEST__BODY_ACCEPT:
    case ITEXD__V1__REQUEST__BODY_REPORT:
    case ITEXD__V1__REQUEST__BODY_EXPLAIN:
    case ITEXD__V1__REQUEST__BODY_QUERY:
    case ITEXD__V1__REQUEST__BODY_STATUS:
    case ITEXD__V1__REQUEST__BODY_RULES_LIST:
    case ITEXD__V1__REQUEST__BODY_RULES_SHOW:
    case ITEXD__V1__REQUEST__BODY_DEVICES:
    case ITEXD__V1__REQUEST__BODY_DEVICE_SHOW:
    case ITEXD__V1__REQUEST__BODY_DEVICE_DRAIN: /* says how it is to be, not what to change */
    case ITEXD__V1__REQUEST__BODY_LEASES:
        return true;
    case ITEXD__V1__REQUEST__BODY_LEASE_RELEASE:
        return request->lease_release->has_request_id;
    default:
        return false;
    }
}

static int finish(struct connection *c, int result, Itexd__V1__Reply **reply)
{
    if (result == CALL_OK)
        *reply = TAKE_PTR(c->call.reply);
    else
        close_socket(c);
    free(c->call.packet);
    itexd__v1__reply__free_unpacked(c->call.reply, NULL);
    c->call = (struct call){.fd = -1};
    return result;
}

static int step(struct connection *c)
{
    struct call *call = &c->call;

    if (c->state == CLOSED)
        return clock_steady_ms() < call->next_attempt ? CALL_AGAIN : connect_socket(c);
    if (c->state == HELLO && !c->hello_sent)
        return send_hello(c);
    if (c->state == READY && !call->sent)
        return send_packet(c, call->packet, call->size, call->fd, &call->sent);
    return receive(c);
}

static int set_timer(struct connection *c, uint64_t at)
{
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)(at / 1000), .tv_nsec = (long)(at % 1000) * 1000000}};

    if (at == 0)
        when.it_value = (struct timespec){.tv_nsec = 1}; /* all zero would disarm it */
    if (timerfd_settime(c->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) < 0)
        return fail(c, -errno, "cannot set a timer: %s", strerror(errno));
    return 0;
}

static int arm_timer(struct connection *c)
{
    bool attempt = c->state == CLOSED && c->call.next_attempt < c->call.deadline;

    return set_timer(c, attempt ? c->call.next_attempt : c->call.deadline);
}

static int pack_call(struct connection *c, Itexd__V1__Request *request)
{
    request->has_id = 1;
    request->id = c->last_id + 2;
    size_t size = itexd__v1__request__get_packed_size(request);
    if (size > ITEXD_MAX_PACKET)
        return fail(c, CALL_TOO_LARGE, "the request has %zu bytes, a packet holds %u", size, ITEXD_MAX_PACKET);
    c->call.packet = malloc(size);
    if (!c->call.packet)
        return fail(c, -ENOMEM, "out of memory");
    c->call.size = itexd__v1__request__pack(request, c->call.packet);
    c->call.id = request->id;
    c->last_id = request->id;
    return 0;
}

int connection_start(struct connection *c, Itexd__V1__Request *request, int fd, uint64_t deadline_ms)
{
    Itexd__V1__Reply *none = NULL;

    if (c->owner != getpid())
        return fail(c, CALL_WRONG_PROCESS, "this connection belongs to the process that was forked from");
    if (c->call.active)
        return fail(c, -EBUSY, "a call is under way on this connection");
    c->error[0] = '\0';
    c->call = (struct call){.active = true,
                            .repeatable = is_repeatable(request),
                            .established = c->state == READY,
                            .blame = CALL_SLOW,
                            .pause = FIRST_PAUSE_MS,
                            .deadline = deadline_ms,
                            .fd = fd};
    int r = pack_call(c, request);
    if (r == 0)
        r = set_timer(c, 0); /* the first dispatch is due at once: it connects */
    if (r != 0)
        return finish(c, r, &none);
    fail(c, 0, "no answer from itexd at %s by the deadline", c->path);
    return 0;
}

int connection_dispatch(struct connection *c, Itexd__V1__Reply **reply)
{
    if (c->owner != getpid())
        return fail(c, CALL_WRONG_PROCESS, "this connection belongs to the process that was forked from");
    if (!c->call.active)
        return fail(c, -EINVAL, "no call is under way on this connection");

    for (unsigned turn = 0; turn < PACKETS_PER_TURN; turn++) {
        int r = step(c);
        if (r == CALL_AGAIN)
            break;
        if (r != STEP_MORE) {
            if (r == CALL_OK)
                c->error[0] = '\0';
            return finish(c, r, reply);
        }
    }
    if (clock_steady_ms() >= c->call.deadline)
        return finish(c, c->call.blame, reply);
    int r = arm_timer(c);
    return r < 0 ? finish(c, r, reply) : CALL_AGAIN;
}

int connection_call(struct connection *c, Itexd__V1__Request *request, int fd, unsigned timeout_ms,
                    Itexd__V1__Reply **reply)
{
    struct pollfd due = {.fd = c->poll_fd, .events = POLLIN};
    int r = connection_start(c, request, fd, clock_steady_ms() + (timeout_ms ? timeout_ms : 1));

    if (r != 0)
        return r;
    while ((r = connection_dispatch(c, reply)) == CALL_AGAIN)
        poll(&due, 1, -1); /* the timer in it ends the wait; an interrupted poll only dispatches once more */
    return r;
}

/* ---- Between calls ------------------------------------------------------------------------------- */

int connection_events(struct connection *c)
{
    const struct itimerspec never = {.it_value = {0}};

    if (c->owner != getpid())
        return fail(c, CALL_WRONG_PROCESS, "this connection belongs to the process that was forked from");
    if (c->call.active)
        return CALL_AGAIN; /* its own dispatching delivers them */
    if (timerfd_settime(c->timer_fd, 0, &never, NULL) < 0)
        return fail(c, -errno, "cannot stop a timer: %s", strerror(errno));
    c->call.id = UINT64_MAX; /* a reply is one to a call that was given up: it is skipped */
    for (unsigned turn = 0; turn < PACKETS_PER_TURN; turn++) {
        if (c->state != READY)
            return fail(c, CALL_LOST, "the connection to itexd at %s is closed", c->path);
        int r = receive(c);
        if (r == CALL_AGAIN && c->state == READY)
            return CALL_AGAIN;
        if (r != STEP_MORE && r != CALL_AGAIN) {
            close_socket(c);
            return r == CALL_OK ? CALL_PROTOCOL : r;
        }
    }
    return CALL_AGAIN;
}

void connection_close(struct connection *c)
{
    if (c->owner == getpid() && !c->call.active)
        close_socket(c);
}

/* ---- Life ---------------------------------------------------------------------------------------- */

static int watch_timer(struct connection *c)
{
    struct epoll_event event = {.events = EPOLLIN};

    c->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (c->poll_fd < 0)
        return -errno;
    c->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (c->timer_fd < 0)
        return -errno;
    return epoll_ctl(c->poll_fd, EPOLL_CTL_ADD, c->timer_fd, &event) < 0 ? -errno : 0;
}

int connection_new(struct connection **out, const char *path, const char *name)
{
    CLEANUP(connection_freep) struct connection *c = calloc(1, sizeof *c);
    const char *from_environment = getenv("ITEXD_SOCKET");

    if (!c)
        return -ENOMEM;
    c->poll_fd = c->timer_fd = c->socket = c->call.fd = -1;
    c->owner = getpid();
    if (!path)
        path = from_environment && *from_environment ? from_environment : ITEXD_DEFAULT_SOCKET;
    c->path = strdup(path);
    c->name = strndup(name, 64);
    if (!c->path || !c->name)
        return -ENOMEM;
    int r = watch_timer(c);
    if (r < 0)
        return r;
    *out = TAKE_PTR(c);
    return 0;
}

void connection_free(struct connection *c)
{
    if (!c)
        return;
    /* Only descriptors of this process are closed: nothing is sent, no shared epoll set is changed. */
    closep(&c->socket);
    closep(&c->timer_fd);
    closep(&c->poll_fd);
    itexd__v1__reply__free_unpacked(c->call.reply, NULL);
    free(c->call.packet);
    free(c->path);
    free(c->name);
    free(c);
}

void connection_freep(struct connection **connection)
{
    connection_free(*connection);
}

void connection_on_event(struct connection *c, connection_event_fn function, void *data)
{
    c->on_event = function;
    c->on_event_data = data;
}

int connection_fd(const struct connection *c)
{
    return c->poll_fd;
}

const char *connection_error(const struct connection *c)
{
    return c->error;
}

unsigned connection_count(const struct connection *c)
{
    return c->n_hellos;
}

const char *connection_path(const struct connection *c)
{
    return c->path;
}
