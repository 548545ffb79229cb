/*
 * The connection against services that behave, refuse, or are restarted. What of services that are none is in
 * test_connection_failures.c.
 */
#include "client/core/connection.h"
#include "client/core/memory_file.h"
#include "client/core/resolve_request.h"
#include "proto/clock.h"
#include "proto/framing.h"
#include "tests/unit/client/calls.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int backup_call(struct connection *c, int fd, unsigned timeout, Itexd__V1__Reply **reply)
{
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    Itexd__V1__Backup body = ITEXD__V1__BACKUP__INIT;

    *reply = NULL;
    request.body_case = ITEXD__V1__REQUEST__BODY_BACKUP;
    request.backup = &body;
    return connection_call(c, &request, fd, timeout, reply);
}

static int resolve_call(struct connection *c, const uint8_t *id, unsigned timeout, Itexd__V1__Reply **reply)
{
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    Itexd__V1__Resolve *body = resolve_request_new(id);

    *reply = NULL;
    request.body_case = ITEXD__V1__REQUEST__BODY_RESOLVE;
    request.resolve = body;
    int r = connection_call(c, &request, -1, timeout, reply);
    resolve_request_freep(&body);
    return r;
}

/* ---- The good case ------------------------------------------------------------------------------- */

static void test_calls_in_turn(void **state)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, fake_itexd);
    struct connection *c = connect_to(s->path);
    Itexd__V1__Reply *reply;

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(status_call(c, LONG_MS, &reply), CALL_OK);
        assert_int_equal(reply->body_case, ITEXD__V1__REPLY__BODY_DONE);
        itexd__v1__reply__free_unpacked(reply, NULL);
    }
    assert_string_equal(connection_error(c), "");
    connection_free(c);
    fake_stop(s);
    assert_int_equal(s->connections, 1);
    assert_int_equal(s->requests, 4);
    fake_free(s);
}

static void refuse_status(struct fake_service *s)
{
    int fd = fake_greet(s);
    Itexd__V1__Request *request = fake_receive(s, fd);

    fake_reply_error(fd, request->id, ITEXD__V1__ERROR__CODE__NOT_PERMITTED, "not yours");
    itexd__v1__request__free_unpacked(request, NULL);
    fake_hold(s);
    close(fd);
}

static void test_error_is_a_reply(void **state)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, refuse_status);
    struct connection *c = connect_to(s->path);
    Itexd__V1__Reply *reply;

    (void)state;
    assert_int_equal(status_call(c, LONG_MS, &reply), CALL_OK);
    assert_int_equal(reply->body_case, ITEXD__V1__REPLY__BODY_ERROR);
    assert_string_equal(reply->error->text, "not yours");
    itexd__v1__reply__free_unpacked(reply, NULL);
    connection_free(c);
    fake_free(s);
}

static void limit_at_hello(struct fake_service *s)
{
    int fd = fake_accept(s);
    Itexd__V1__Request *request = fake_receive(s, fd);

    fake_reply_error(fd, request->id, ITEXD__V1__ERROR__CODE__LIMIT, "too many connections");
    itexd__v1__request__free_unpacked(request, NULL);
    close(fd);
    fake_hold(s);
}

static void test_error_instead_of_hello(void **state)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, limit_at_hello);
    struct connection *c = connect_to(s->path);
    Itexd__V1__Reply *reply;

    (void)state;
    assert_int_equal(status_call(c, LONG_MS, &reply), CALL_OK);
    assert_int_equal(reply->error->code, ITEXD__V1__ERROR__CODE__LIMIT);
    itexd__v1__reply__free_unpacked(reply, NULL);
    connection_free(c);
    fake_free(s);
}

static void count_event(const Itexd__V1__Event *event, void *data)
{
    if (strcmp(event->kind, "waiting") == 0)
        (*(int *)data)++;
}

static void three_events(struct fake_service *s)
{
    int fd = fake_greet(s);
    Itexd__V1__Request *request = fake_receive(s, fd);

    for (int i = 0; i < 3; i++)
        fake_event(fd, "waiting");
    fake_reply_done(fd, request->id);
    itexd__v1__request__free_unpacked(request, NULL);
    fake_hold(s);
    close(fd);
}

static void test_events(void **state)
{
    int count = 0;
    struct fake_service *s = fake_start(SOCK_SEQPACKET, three_events);
    struct connection *c = connect_to(s->path);
    Itexd__V1__Reply *reply;

    (void)state;
    connection_on_event(c, count_event, &count);
    assert_int_equal(status_call(c, LONG_MS, &reply), CALL_OK);
    itexd__v1__reply__free_unpacked(reply, NULL);
    assert_int_equal(count, 3);
    connection_free(c);
    fake_free(s);
}

static void late_answer(struct fake_service *s)
{
    int fd = fake_greet(s);
    Itexd__V1__Request *first = fake_receive(s, fd);

    fake_reply_done(fd, first->id);
    Itexd__V1__Request *second = fake_receive(s, fd);
    fake_reply_error(fd, first->id, ITEXD__V1__ERROR__CODE__BUSY, "late");
    fake_reply_done(fd, second->id);
    itexd__v1__request__free_unpacked(first, NULL);
    itexd__v1__request__free_unpacked(second, NULL);
    fake_hold(s);
    close(fd);
}

static void test_late_answer_is_skipped(void **state)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, late_answer);
    struct connection *c = connect_to(s->path);
    Itexd__V1__Reply *reply;

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(status_call(c, LONG_MS, &reply), CALL_OK);
        assert_int_equal(reply->body_case, ITEXD__V1__REPLY__BODY_DONE);
        itexd__v1__reply__free_unpacked(reply, NULL);
    }
    connection_free(c);
    fake_free(s);
}

/* ---- Restarts ------------------------------------------------------------------------------------ */

/* Takes the request and dies, twice; then serves. */
static void dies_twice(struct fake_service *s)
{
    for (int i = 0; i < 2; i++) {
        int fd = fake_greet(s);
        itexd__v1__request__free_unpacked(fake_receive(s, fd), NULL);
        close(fd);
    }
    fake_itexd(s);
}

static void test_retry_keeps_the_request_id(void **state)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, dies_twice);
    struct connection *c = connect_to(s->path);
    uint8_t id[REQUEST_ID_SIZE];
    Itexd__V1__Reply *reply;

    (void)state;
    assert_int_equal(request_id_new(id), 0);
    assert_int_equal(resolve_call(c, id, LONG_MS, &reply), CALL_OK);
    assert_int_equal(reply->body_case, ITEXD__V1__REPLY__BODY_DECISION);
    itexd__v1__reply__free_unpacked(reply, NULL);
    connection_free(c);
    fake_stop(s);
    assert_int_equal(s->connections, 3);
    assert_int_equal(s->resolves, 3);
    for (int i = 0; i < 3; i++)
        assert_memory_equal(s->ids[i], id, REQUEST_ID_SIZE);
    fake_free(s);
}

static void stopping_then_serves(struct fake_service *s)
{
    int fd = fake_greet(s);
    Itexd__V1__Request *request = fake_receive(s, fd);

    fake_reply_error(fd, request->id, ITEXD__V1__ERROR__CODE__STOPPING, "stopping");
    itexd__v1__request__free_unpacked(request, NULL);
    close(fd);
    fake_itexd(s);
}

static void test_stopping_is_a_restart(void **state)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, stopping_then_serves);
    struct connection *c = connect_to(s->path);
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    Itexd__V1__Reply *reply;

    (void)state;
    assert_int_equal(backup_call(c, fd, LONG_MS, &reply), CALL_OK); /* not repeatable, but it was not done */
    itexd__v1__reply__free_unpacked(reply, NULL);
    close(fd);
    connection_free(c);
    fake_stop(s);
    assert_int_equal(s->connections, 2);
    fake_free(s);
}

static void test_what_changes_something_is_not_repeated(void **state)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, dies_twice);
    struct connection *c = connect_to(s->path);
    Itexd__V1__Reply *reply;

    (void)state;
    assert_int_equal(backup_call(c, -1, LONG_MS, &reply), CALL_LOST);
    assert_non_null(strstr(connection_error(c), "not known"));
    connection_free(c);
    fake_stop(s);
    assert_int_equal(s->connections, 1);
    fake_free(s);
}

static void one_answer_then_gone(struct fake_service *s)
{
    int fd = fake_greet(s);
    Itexd__V1__Request *request = fake_receive(s, fd);

    fake_reply_done(fd, request->id);
    itexd__v1__request__free_unpacked(request, NULL);
    unlink(s->path);
    close(fd);
    fake_hold(s);
}

static void test_gone_for_good_is_absent(void **state)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, one_answer_then_gone);
    struct connection *c = connect_to(s->path);
    Itexd__V1__Reply *reply;

    (void)state;
    assert_int_equal(status_call(c, LONG_MS, &reply), CALL_OK);
    itexd__v1__reply__free_unpacked(reply, NULL);
    uint64_t before = clock_steady_ms();
    assert_int_equal(status_call(c, SHORT_MS, &reply), CALL_ABSENT); /* after having tried until the deadline */
    assert_true(clock_steady_ms() - before >= SHORT_MS);
    connection_free(c);
    fake_free(s);
}

static sem_t closed;

/* Says that it closes an idle connection, and does; then serves. */
static void closes_idle(struct fake_service *s)
{
    int fd = fake_greet(s);
    Itexd__V1__Request *request = fake_receive(s, fd);

    fake_reply_done(fd, request->id);
    fake_reply_error(fd, 0, ITEXD__V1__ERROR__CODE__STOPPING, "stopping");
    itexd__v1__request__free_unpacked(request, NULL);
    close(fd);
    sem_post(&closed);
    fake_itexd(s);
}

static void test_closed_while_idle(void **state)
{
    assert_int_equal(sem_init(&closed, 0, 0), 0);
    struct fake_service *s = fake_start(SOCK_SEQPACKET, closes_idle);
    struct connection *c = connect_to(s->path);
    Itexd__V1__Reply *reply;

    (void)state;
    assert_int_equal(status_call(c, LONG_MS, &reply), CALL_OK);
    itexd__v1__reply__free_unpacked(reply, NULL);
    assert_int_equal(sem_wait(&closed), 0);
    assert_int_equal(backup_call(c, -1, LONG_MS, &reply), CALL_OK); /* it cannot have arrived before: sent again */
    assert_int_equal(reply->body_case, ITEXD__V1__REPLY__BODY_DONE);
    itexd__v1__reply__free_unpacked(reply, NULL);
    connection_free(c);
    fake_stop(s);
    assert_int_equal(s->connections, 2);
    sem_destroy(&closed);
    fake_free(s);
}

/* ---- Limits, descriptors, forms ------------------------------------------------------------------ */

static void test_too_large(void **state)
{
    struct connection *c = connect_to("/tmp/itexd-client-test-none/s");
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    Itexd__V1__RulesLoad body = ITEXD__V1__RULES_LOAD__INIT;
    static char name[ITEXD_MAX_PACKET + 1];
    Itexd__V1__Reply *reply = NULL;

    (void)state;
    memset(name, 'n', sizeof name - 1);
    body.name = name;
    request.body_case = ITEXD__V1__REQUEST__BODY_RULES_LOAD;
    request.rules_load = &body;
    assert_int_equal(connection_call(c, &request, -1, LONG_MS, &reply), CALL_TOO_LARGE);
    connection_free(c);
}

static void test_memory_file_travels_sealed(void **state)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, fake_itexd);
    struct connection *c = connect_to(s->path);
    int fd = memory_file_create("rules", "seven b", 7);
    char read_back[8] = "";
    Itexd__V1__Reply *reply;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(backup_call(c, fd, LONG_MS, &reply), CALL_OK);
    itexd__v1__reply__free_unpacked(reply, NULL);
    connection_free(c);
    fake_stop(s);
    assert_true(s->received_fd >= 0);
    assert_true(s->received_fd != fd);
    assert_int_equal(pread(s->received_fd, read_back, 8, 0), 7);
    assert_string_equal(read_back, "seven b");
    assert_true(pwrite(s->received_fd, "x", 1, 0) < 0);
    assert_true(ftruncate(s->received_fd, 100) < 0);
    assert_true(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0);
    assert_int_equal(fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK, F_SEAL_SHRINK);
    close(fd);
    fake_free(s);
    assert_int_equal(memory_file_create("big", "", (size_t)MEMORY_FILE_MAX + 1), -EFBIG);
}

static void test_without_blocking(void **state)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, dies_twice);
    struct connection *c = connect_to(s->path);
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    Itexd__V1__StatusRequest body = ITEXD__V1__STATUS_REQUEST__INIT;
    Itexd__V1__Reply *reply = NULL;
    struct pollfd due = {.fd = connection_fd(c), .events = POLLIN};
    int r, turns = 0;

    (void)state;
    request.body_case = ITEXD__V1__REQUEST__BODY_STATUS;
    request.status = &body;
    assert_int_equal(connection_dispatch(c, &reply), -EINVAL);
    assert_int_equal(connection_start(c, &request, -1, clock_steady_ms() + LONG_MS), 0);
    assert_int_equal(connection_start(c, &request, -1, clock_steady_ms() + LONG_MS), -EBUSY);
    do {
        assert_int_equal(poll(&due, 1, (int)LONG_MS), 1); /* always becomes readable */
        r = connection_dispatch(c, &reply);
        assert_int_equal(connection_fd(c), due.fd);
        assert_true(++turns < 1000); /* does not spin */
    } while (r == CALL_AGAIN);
    assert_int_equal(r, CALL_OK);
    itexd__v1__reply__free_unpacked(reply, NULL);
    connection_free(c);
    fake_free(s);
}

/* The child is told no, frees its copy, and the parent goes on as if nothing had been. */
static void test_fork(void **state)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, fake_itexd);
    struct connection *c = connect_to(s->path);
    Itexd__V1__Reply *reply;
    int status;

    (void)state;
    assert_int_equal(status_call(c, LONG_MS, &reply), CALL_OK);
    itexd__v1__reply__free_unpacked(reply, NULL);
    pid_t child = fork();
    if (child == 0) {
        int r = status_call(c, LONG_MS, &reply);
        connection_free(c);
        _exit(r == CALL_WRONG_PROCESS ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(status_call(c, LONG_MS, &reply), CALL_OK);
    itexd__v1__reply__free_unpacked(reply, NULL);
    connection_free(c);
    fake_stop(s);
    assert_int_equal(s->connections, 1);
    assert_int_equal(s->requests, 3);
    fake_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_in_turn),
        cmocka_unit_test(test_error_is_a_reply),
        cmocka_unit_test(test_error_instead_of_hello),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_late_answer_is_skipped),
        cmocka_unit_test(test_retry_keeps_the_request_id),
        cmocka_unit_test(test_stopping_is_a_restart),
        cmocka_unit_test(test_what_changes_something_is_not_repeated),
        cmocka_unit_test(test_gone_for_good_is_absent),
        cmocka_unit_test(test_closed_while_idle),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_memory_file_travels_sealed),
        cmocka_unit_test(test_without_blocking),
        cmocka_unit_test(test_fork),
    };

    return cmocka_run_group_tests_name("client-connection", tests, NULL, NULL);
}
