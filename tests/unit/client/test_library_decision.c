/* A decision later on: found again by what it starts, over a new connection, and giving back what it holds. */
#include "client/itexclient.h"
#include "tests/unit/client/fake_service.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- Found again -------------------------------------------------------------------------------------- */

static itex_status inherit(const char *text, const char *socket, unsigned timeout, itex_decision **decision)
{
    if (text)
        setenv("ITEXD_DECISION", text, 1);
    else
        unsetenv("ITEXD_DECISION");
    return itex_decision_inherited(socket, timeout, decision);
}

static void test_it_is_fetched_by_its_number(void **state)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, fake_itexd);
    itex_decision *d = NULL;
    int match = -1;

    (void)state;
    assert_int_equal(inherit("42:abc123:jit_compile=False,require-mode", s->path, 10000, &d), ITEX_OK);
    assert_int_equal(itex_decision_id(d), 42);
    assert_string_equal(itex_decision_mode(d), "npd");
    assert_string_equal(itex_decision_ruleset_digest(d), "abc123");
    assert_int_equal(itex_decision_report(d, "npd", 1, &match), ITEX_OK);
    assert_int_equal(match, 1);
    assert_int_equal(itex_decision_accept(d), ITEX_OK);
    itex_decision_free(d);
    fake_stop(s);
    assert_int_equal(s->connections, 1);
    assert_int_equal(s->resolves, 0); /* nothing is decided anew */
    assert_int_equal(s->accepted, 42);
    fake_free(s);
}

static void test_the_socket_is_the_usual_one(void **state)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, fake_itexd);
    itex_decision *d = NULL;

    (void)state;
    setenv("ITEXD_SOCKET", s->path, 1);
    assert_int_equal(inherit("42:abc123:", NULL, 10000, &d), ITEX_OK);
    itex_decision_free(d);
    unsetenv("ITEXD_SOCKET");
    fake_free(s);
}

static void test_there_must_be_one(void **state)
{
    static const char *const none[] = {
        NULL,
        "",
        "0:abc123:",
        ":abc123:",
        "42",
        "x:abc123:",
        "-1:abc123:",
        " 42:abc123:",
        "99999999999999999999:abc123:",
    };
    struct fake_service *s = fake_start(SOCK_SEQPACKET, fake_itexd);
    itex_decision *d = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(inherit(none[i], s->path, 10000, &d), ITEX_ERR_ARGUMENT);
    assert_int_equal(inherit("42:abc123:", s->path, 0, &d), ITEX_ERR_ARGUMENT);
    assert_int_equal(inherit("42:abc123:", "", 10000, &d), ITEX_ERR_ARGUMENT);
    assert_int_equal(inherit("42:abc123:", s->path, 10000, NULL), ITEX_ERR_ARGUMENT);
    assert_null(d);
    fake_stop(s);
    assert_int_equal(s->connections, 0);
    fake_free(s);
}

static Itexd__V1__Error__Code code_to_send;

static void sends_error(struct fake_service *s)
{
    int fd = fake_greet(s);
    Itexd__V1__Request *request = fake_receive(s, fd);

    fake_reply_error(fd, request->id, code_to_send, "the text of the service");
    itexd__v1__request__free_unpacked(request, NULL);
    fake_hold(s);
    close(fd);
}

static void answers_otherwise(struct fake_service *s)
{
    int fd = fake_greet(s);
    Itexd__V1__Request *request = fake_receive(s, fd);

    fake_reply_done(fd, request->id);
    itexd__v1__request__free_unpacked(request, NULL);
    fake_hold(s);
    close(fd);
}

static void expect(fake_script script, unsigned timeout, itex_status status)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, script);
    itex_decision *d = NULL;

    assert_int_equal(inherit("42:abc123:", s->path, timeout, &d), status);
    assert_null(d);
    fake_free(s);
}

static void test_it_cannot_be_had(void **state)
{
    itex_decision *d = NULL;

    (void)state;
    assert_int_equal(inherit("42:abc123:", "/tmp/itexd-client-test-none/s", 10000, &d), ITEX_ERR_ABSENT);
    expect(fake_mute, 100, ITEX_ERR_SLOW);
    code_to_send = ITEXD__V1__ERROR__CODE__NOT_PERMITTED;
    expect(sends_error, 10000, ITEX_ERR_REFUSED);
    code_to_send = ITEXD__V1__ERROR__CODE__NOT_FOUND;
    expect(sends_error, 10000, ITEX_ERR_SERVICE);
    expect(answers_otherwise, 10000, ITEX_ERR_SERVICE);
}

/* ---- What it holds -------------------------------------------------------------------------------- */

static itex_decision *decide(const char *path)
{
    itex_request *r = itex_request_new();
    itex_decision *d = NULL;

    assert_int_equal(itex_request_set_socket(r, path), ITEX_OK);
    assert_int_equal(itex_request_set_timeout(r, 10000), ITEX_OK);
    assert_int_equal(itex_resolve(r, &d), ITEX_OK);
    itex_request_free(r);
    return d;
}

/* What was held goes back under the request's id, also on a connection that was closed in between. */
static void test_giving_back(void **state)
{
    fake_lease = true;
    struct fake_service *s = fake_start(SOCK_SEQPACKET, fake_itexd);
    itex_decision *d = decide(s->path);

    (void)state;
    assert_int_equal(itex_decision_accept(d), ITEX_OK);
    itex_decision_disconnect(d);
    assert_int_equal(itex_decision_dispatch(d), ITEX_ERR_ABSENT); /* no events without a connection */
    assert_int_equal(itex_decision_release(d), ITEX_OK);
    assert_int_equal(itex_decision_release(d), ITEX_OK);
    itex_decision_free(d);
    fake_stop(s);
    assert_int_equal(s->connections, 2);
    assert_memory_equal(s->released, s->ids[0], 16);
    fake_free(s);
    fake_lease = false;
}

/* The connection breaks when the release has arrived, and nobody knows whether it was done. */
static void loses_a_release(struct fake_service *s)
{
    int fd = fake_greet(s);
    Itexd__V1__Request *request = fake_receive(s, fd);

    fake_reply_decision(fd, request->id, "ok", NULL);
    itexd__v1__request__free_unpacked(request, NULL);
    itexd__v1__request__free_unpacked(fake_receive(s, fd), NULL);
    close(fd);
    fake_itexd(s);
}

static void test_giving_back_may_be_repeated(void **state)
{
    fake_lease = true;
    struct fake_service *s = fake_start(SOCK_SEQPACKET, loses_a_release);
    itex_decision *d = decide(s->path);

    (void)state;
    assert_int_equal(itex_decision_release(d), ITEX_OK);
    itex_decision_free(d);
    fake_stop(s);
    assert_int_equal(s->connections, 2);
    fake_free(s);
    fake_lease = false;
}

static void test_nothing_to_give_back(void **state)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, fake_itexd);
    itex_decision *d = decide(s->path);

    (void)state;
    assert_int_equal(itex_decision_release(d), ITEX_OK);
    itex_decision_free(d);
    fake_stop(s);
    assert_int_equal(s->requests, 2); /* the hello and the question */
    fake_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_fetched_by_its_number),
        cmocka_unit_test(test_the_socket_is_the_usual_one),
        cmocka_unit_test(test_there_must_be_one),
        cmocka_unit_test(test_it_cannot_be_had),
        cmocka_unit_test(test_giving_back),
        cmocka_unit_test(test_giving_back_may_be_repeated),
        cmocka_unit_test(test_nothing_to_give_back),
    };

    return cmocka_run_group_tests_name("client-library-decision", tests, NULL, NULL);
}
