/*
 * libitexclient as a job sees it: through its header and its shared object only, against a service played by a thread.
 */
#include "client/itexclient.h"
#include "tests/unit/client/fake_service.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static itex_request *request_to(const char *path, unsigned timeout)
{
    itex_request *r = itex_request_new();

    assert_non_null(r);
    assert_int_equal(itex_request_set_socket(r, path), ITEX_OK);
    assert_int_equal(itex_request_set_timeout(r, timeout), ITEX_OK);
    return r;
}

static void test_the_main_path(void **state)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, fake_itexd);
    itex_request *r = request_to(s->path, 10000);
    itex_decision *d = NULL;
    const char *name, *value, *rule, *severity, *message, *solution;
    int applied = -1, match = -1;

    (void)state;
    unsetenv("ITEX_DISABLE_XLA");
    unsetenv("ITEXD_DECISION");
    assert_int_equal(itex_request_set_fact(r, "keras", "3"), ITEX_OK);
    assert_int_equal(itex_resolve(r, &d), ITEX_OK);
    assert_string_equal(itex_request_error(r), "");
    itex_request_free(r); /* the decision stands alone */

    assert_int_equal(itex_decision_id(d), 42);
    assert_string_equal(itex_decision_mode(d), "npd");
    assert_string_equal(itex_decision_verdict(d), "fixed");
    assert_null(itex_decision_predicted_mode(d));
    assert_string_equal(itex_decision_predicted_outcome(d), "abort");
    assert_string_equal(itex_decision_ruleset_digest(d), "abc123");
    assert_int_equal(itex_decision_env_count(d), 1);
    assert_int_equal(itex_decision_env(d, 0, &name, &value), ITEX_OK);
    assert_string_equal(name, "ITEX_DISABLE_XLA");
    assert_string_equal(value, "1");
    assert_int_equal(itex_decision_env(d, 1, &name, &value), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_decision_obligation_count(d), 2);
    assert_string_equal(itex_decision_obligation(d, 0), "jit_compile=False");
    assert_null(itex_decision_obligation(d, 2));
    assert_int_equal(itex_decision_diagnostic_count(d), 1);
    assert_int_equal(itex_decision_diagnostic(d, 0, &rule, &severity, &message, &solution, &applied), ITEX_OK);
    assert_string_equal(rule, "keras3-1");
    assert_string_equal(severity, "error");
    assert_null(solution);
    assert_int_equal(applied, 1);
    assert_int_equal(itex_decision_diagnostic(d, 0, NULL, NULL, NULL, NULL, NULL), ITEX_OK);
    assert_int_equal(itex_decision_diagnostic(d, 1, &rule, NULL, NULL, NULL, NULL), ITEX_ERR_ARGUMENT);

    assert_int_equal(itex_decision_apply(d), ITEX_OK);
    assert_string_equal(getenv("ITEX_DISABLE_XLA"), "1");
    assert_string_equal(getenv("ITEXD_DECISION"), "42:abc123:jit_compile=False,script:a%2Cb.py:3");
    assert_int_equal(itex_decision_accept(d), ITEX_OK);
    assert_int_equal(itex_decision_report(d, "npd", 2, &match), ITEX_OK);
    assert_int_equal(match, 1);
    assert_int_equal(itex_decision_report(d, "none", 0, &match), ITEX_OK);
    assert_int_equal(match, 0);
    assert_int_equal(itex_decision_report(d, "npd", 2, NULL), ITEX_OK);
    itex_decision_free(d);
    fake_stop(s);
    assert_int_equal(s->accepted, 42);
    assert_int_equal(s->connections, 1); /* one, from the question to the report */
    fake_free(s);
}

/* ---- Fail-open ----------------------------------------------------------------------------------- */

static void too_new(struct fake_service *s)
{
    int fd = fake_greet_as(s, "itexd", 2, 2);

    fake_hold(s);
    close(fd);
}

static void foreign(struct fake_service *s)
{
    int fd = fake_accept(s);

    if (send(fd, "220 mail ready", 14, MSG_NOSIGNAL) < 0)
        abort();
    fake_hold(s);
    close(fd);
}

static void expect_unavailable(fake_script script, unsigned timeout, itex_status expected)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, script);
    itex_request *r = request_to(s->path, timeout);
    itex_decision *d = NULL;

    setenv("ITEX_DISABLE_XLA", "as it was", 1);
    assert_int_equal(itex_resolve(r, &d), expected);
    assert_null(d);
    assert_int_equal(itex_error_is_unavailable(expected), 1);
    assert_non_null(strstr(itex_request_error(r), s->path));
    assert_string_equal(getenv("ITEX_DISABLE_XLA"), "as it was");
    itex_request_free(r);
    fake_free(s);
}

static void test_unavailable(void **state)
{
    itex_request *r = request_to("/tmp/itexd-client-test-none/s", 10000);
    itex_decision *d = NULL;

    (void)state;
    assert_int_equal(itex_resolve(r, &d), ITEX_ERR_ABSENT);
    itex_request_free(r);
    expect_unavailable(fake_mute, 100, ITEX_ERR_SLOW);
    expect_unavailable(too_new, 10000, ITEX_ERR_INCOMPATIBLE);
    expect_unavailable(foreign, 10000, ITEX_ERR_ABSENT);
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

static void test_errors_of_the_service(void **state)
{
    static const struct {
        Itexd__V1__Error__Code code;
        itex_status status;
    } cases[] = {
        {ITEXD__V1__ERROR__CODE__BUSY, ITEX_ERR_BUSY},
        {ITEXD__V1__ERROR__CODE__LIMIT, ITEX_ERR_BUSY},
        {ITEXD__V1__ERROR__CODE__NOT_PERMITTED, ITEX_ERR_REFUSED},
        {ITEXD__V1__ERROR__CODE__LOCKED, ITEX_ERR_REFUSED},
        {ITEXD__V1__ERROR__CODE__BAD_REQUEST, ITEX_ERR_SERVICE},
        {ITEXD__V1__ERROR__CODE__INTERNAL, ITEX_ERR_SERVICE},
        {(Itexd__V1__Error__Code)99, ITEX_ERR_SERVICE}, /* of a newer minor version */
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        code_to_send = cases[i].code;
        struct fake_service *s = fake_start(SOCK_SEQPACKET, sends_error);
        itex_request *r = request_to(s->path, 10000);
        itex_decision *d = NULL;
        assert_int_equal(itex_resolve(r, &d), cases[i].status);
        assert_int_equal(itex_error_is_unavailable(cases[i].status), 0);
        assert_string_equal(itex_request_error(r), "the text of the service");
        assert_null(d);
        itex_request_free(r);
        fake_free(s);
    }
}

/* ---- What a decision may not do ------------------------------------------------------------------ */

static const char *evil_name;

static void decides_evil(struct fake_service *s)
{
    int fd = fake_greet(s);
    Itexd__V1__Request *request = fake_receive(s, fd);
    Itexd__V1__Variable variable = ITEXD__V1__VARIABLE__INIT;

    variable.name = (char *)evil_name;
    variable.value = (char *)"/tmp/evil";
    fake_reply_decision(fd, request->id, "fixed", &variable);
    itexd__v1__request__free_unpacked(request, NULL);
    fake_hold(s);
    close(fd);
}

static void test_forbidden_variables(void **state)
{
    static const char *const names[] = {"LD_PRELOAD", "PATH", "PYTHONPATH"};
    char *path = strdup(getenv("PATH"));

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        evil_name = names[i];
        struct fake_service *s = fake_start(SOCK_SEQPACKET, decides_evil);
        itex_request *r = request_to(s->path, 10000);
        itex_decision *d = NULL;
        unsetenv("ITEXD_DECISION");
        assert_int_equal(itex_resolve(r, &d), ITEX_OK);
        assert_int_equal(itex_decision_apply(d), ITEX_ERR_ENVIRONMENT);
        assert_non_null(strstr(itex_decision_error(d), names[i]));
        assert_null(getenv("LD_PRELOAD"));
        assert_null(getenv("PYTHONPATH"));
        assert_string_equal(getenv("PATH"), path);
        assert_null(getenv("ITEXD_DECISION"));
        itex_decision_free(d);
        itex_request_free(r);
        fake_free(s);
    }
    free(path);
}

static void rejects(struct fake_service *s)
{
    int fd = fake_greet(s);
    Itexd__V1__Request *request = fake_receive(s, fd);

    fake_reply_decision(fd, request->id, "rejected", NULL);
    itexd__v1__request__free_unpacked(request, NULL);
    fake_hold(s);
    close(fd);
}

static void test_rejected(void **state)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, rejects);
    itex_request *r = request_to(s->path, 10000);
    itex_decision *d = NULL;

    (void)state;
    assert_int_equal(itex_resolve(r, &d), ITEX_OK);
    assert_int_equal(itex_decision_apply(d), ITEX_ERR_REJECTED);
    itex_decision_free(d);
    itex_request_free(r);
    fake_free(s);
}

/* ---- Retries ------------------------------------------------------------------------------------- */

/* The first connection gets no answer; the others do. */
static void mute_once(struct fake_service *s)
{
    int fd = fake_greet(s);

    itexd__v1__request__free_unpacked(fake_receive(s, fd), NULL);
    int next = fake_greet(s);
    close(fd);
    fake_serve(s, next);
    close(next);
    fake_itexd(s);
}

static void test_request_id_is_kept_until_it_succeeds(void **state)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, mute_once);
    itex_request *r = request_to(s->path, 300);
    itex_decision *d[3] = {NULL};

    (void)state;
    assert_int_equal(itex_resolve(r, &d[0]), ITEX_ERR_SLOW);
    assert_int_equal(itex_request_set_timeout(r, 10000), ITEX_OK); /* a longer wait is the same question */
    assert_int_equal(itex_resolve(r, &d[0]), ITEX_OK);
    itex_decision_free(d[0]);
    assert_int_equal(itex_resolve(r, &d[1]), ITEX_OK);
    itex_decision_free(d[1]);
    itex_request_free(r);
    fake_stop(s);
    assert_int_equal(s->resolves, 3);
    assert_memory_equal(s->ids[0], s->ids[1], 16);
    assert_memory_not_equal(s->ids[1], s->ids[2], 16);
    fake_free(s);
}

static void test_another_question_is_another_request(void **state)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, mute_once);
    itex_request *r = request_to(s->path, 300);
    itex_decision *d = NULL;

    (void)state;
    assert_int_equal(itex_resolve(r, &d), ITEX_ERR_SLOW);
    assert_int_equal(itex_request_set_fact(r, "keras", "3"), ITEX_OK);
    assert_int_equal(itex_request_set_timeout(r, 10000), ITEX_OK);
    assert_int_equal(itex_resolve(r, &d), ITEX_OK);
    itex_decision_free(d);
    itex_request_free(r);
    fake_stop(s);
    assert_int_equal(s->resolves, 2);
    assert_memory_not_equal(s->ids[0], s->ids[1], 16);
    fake_free(s);
}

/* The service is restarted between the decision and its acceptance. */
static void restarts_after_decision(struct fake_service *s)
{
    int fd = fake_greet(s);
    Itexd__V1__Request *request = fake_receive(s, fd);

    fake_reply_decision(fd, request->id, "ok", NULL);
    itexd__v1__request__free_unpacked(request, NULL);
    close(fd);
    fake_itexd(s);
}

static void test_accept_survives_a_restart(void **state)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, restarts_after_decision);
    itex_request *r = request_to(s->path, 10000);
    itex_decision *d = NULL;

    (void)state;
    assert_int_equal(itex_resolve(r, &d), ITEX_OK);
    assert_int_equal(itex_decision_accept(d), ITEX_OK);
    itex_decision_free(d);
    itex_request_free(r);
    fake_stop(s);
    assert_int_equal(s->connections, 2);
    assert_int_equal(s->accepted, 42);
    fake_free(s);
}

/* SIGPIPE would end this process: its default action is in force. */
static void test_no_sigpipe(void **state)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, restarts_after_decision);
    itex_request *r = request_to(s->path, 200);
    itex_decision *d = NULL;

    (void)state;
    signal(SIGPIPE, SIG_DFL);
    assert_int_equal(itex_resolve(r, &d), ITEX_OK);
    unlink(s->path);
    fake_stop(s);
    assert_int_equal(itex_decision_accept(d), ITEX_ERR_ABSENT);
    assert_true(strlen(itex_decision_error(d)) > 0);
    itex_decision_free(d);
    itex_request_free(r);
    fake_free(s);
}

/* ---- Without blocking ---------------------------------------------------------------------------- */

static itex_status drive(itex_request *r, itex_decision **d)
{
    itex_status status;
    int turns = 0;

    do {
        struct pollfd due = {.fd = itex_request_fd(r), .events = itex_request_events(r)};
        assert_true(due.fd >= 0);
        assert_int_equal(poll(&due, 1, 10000), 1); /* also at the deadline */
        status = itex_dispatch(r, d);
        assert_true(++turns < 1000);
    } while (status == ITEX_AGAIN);
    return status;
}

static void test_without_blocking(void **state)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, fake_itexd);
    itex_request *r = request_to(s->path, 10000);
    itex_decision *d = NULL;

    (void)state;
    assert_int_equal(itex_request_fd(r), -1);
    assert_int_equal(itex_request_events(r), 0);
    assert_int_equal(itex_dispatch(r, &d), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_resolve_start(r), ITEX_OK);
    assert_int_equal(itex_resolve_start(r), ITEX_OK); /* starts anew */
    assert_int_equal(drive(r, &d), ITEX_OK);
    assert_int_equal(itex_request_fd(r), -1);
    assert_int_equal(itex_decision_id(d), 42);
    itex_decision_free(d);
    itex_request_free(r);
    fake_free(s);
}

static void test_without_blocking_keeps_the_deadline(void **state)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, fake_mute);
    itex_request *r = request_to(s->path, 100);
    itex_decision *d = NULL;

    (void)state;
    assert_int_equal(itex_resolve_start(r), ITEX_OK);
    assert_int_equal(drive(r, &d), ITEX_ERR_SLOW);
    assert_null(d);
    itex_request_free(r);
    fake_free(s);
}

/* ---- Arguments ----------------------------------------------------------------------------------- */

static void test_null(void **state)
{
    const char *text;
    itex_decision *d = NULL;

    (void)state;
    itex_request_free(NULL);
    itex_decision_free(NULL);
    assert_int_equal(itex_request_set_socket(NULL, "/s"), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_request_set_timeout(NULL, 1), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_request_set_fact(NULL, "keras", "3"), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_request_set_node_fact(NULL, "keras", "3"), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_request_set_variable(NULL, "A", "1"), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_request_set_collect(NULL, 1), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_request_set_policy(NULL, "advise"), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_request_set_apply_errors(NULL, 1), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_request_set_job(NULL, "7"), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_request_set_devices(NULL, 1, 0, 0, 0), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_resolve(NULL, &d), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_resolve_start(NULL), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_dispatch(NULL, &d), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_request_fd(NULL), -1);
    assert_int_equal(itex_request_events(NULL), 0);
    assert_string_equal(itex_request_error(NULL), "");
    assert_string_equal(itex_decision_error(NULL), "");
    assert_int_equal(itex_decision_id(NULL), 0);
    assert_null(itex_decision_mode(NULL));
    assert_null(itex_decision_verdict(NULL));
    assert_null(itex_decision_predicted_mode(NULL));
    assert_null(itex_decision_predicted_outcome(NULL));
    assert_null(itex_decision_ruleset_digest(NULL));
    assert_int_equal(itex_decision_env_count(NULL), 0);
    assert_int_equal(itex_decision_env(NULL, 0, &text, &text), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_decision_obligation_count(NULL), 0);
    assert_null(itex_decision_obligation(NULL, 0));
    assert_int_equal(itex_decision_diagnostic_count(NULL), 0);
    assert_int_equal(itex_decision_diagnostic(NULL, 0, &text, NULL, NULL, NULL, NULL), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_decision_apply(NULL), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_decision_accept(NULL), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_decision_report(NULL, "npd", 1, NULL), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_decision_release(NULL), ITEX_ERR_ARGUMENT);
    itex_decision_disconnect(NULL);
}

static void test_bad_arguments(void **state)
{
    itex_request *r = itex_request_new();

    (void)state;
    assert_int_equal(itex_request_set_socket(r, NULL), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_request_set_socket(r, ""), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_request_set_timeout(r, 0), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_request_set_fact(r, NULL, "3"), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_request_set_fact(r, "keras", NULL), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_request_set_fact(r, "", "3"), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_request_set_fact(r, "Keras!", "3"), ITEX_ERR_ARGUMENT);
    assert_non_null(strstr(itex_request_error(r), "Keras!"));
    assert_int_equal(itex_request_set_variable(r, NULL, "1"), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_request_set_variable(r, "A=B", "1"), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_request_set_policy(r, "perhaps"), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_request_set_policy(r, NULL), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_request_set_job(r, ""), ITEX_ERR_ARGUMENT);
    assert_int_equal(itex_resolve(r, NULL), ITEX_ERR_ARGUMENT);
    itex_request_free(r);
}

static void test_texts(void **state)
{
    (void)state;
    assert_string_equal(itex_version(), "1.1.0");
    for (int status = ITEX_ERR_ENVIRONMENT; status <= ITEX_AGAIN; status++)
        assert_string_not_equal(itex_status_text((itex_status)status), "unknown status");
    assert_string_equal(itex_status_text((itex_status)77), "unknown status");
}

/* ---- Fork and threads ---------------------------------------------------------------------------- */

/* What the child may do with its parent's objects: be refused, and free them. And a new request works. */
static int in_the_child(itex_request *r, itex_decision *d, const char *path)
{
    itex_decision *own = NULL;

    if (itex_decision_accept(d) != ITEX_ERR_ARGUMENT || itex_dispatch(r, &own) != ITEX_ERR_ARGUMENT ||
        itex_resolve(r, &own) != ITEX_ERR_ARGUMENT)
        return 1;
    itex_decision_disconnect(d);
    itex_decision_free(d);
    itex_request_free(r);
    r = itex_request_new();
    itex_request_set_socket(r, path);
    itex_request_set_timeout(r, 10000);
    int failed = itex_resolve(r, &own) != ITEX_OK;
    itex_decision_free(own);
    itex_request_free(r);
    return failed ? 2 : 0;
}

/* Several connections at once. */
struct served {
    struct fake_service *service;
    int fd;
};

static void *serve_in_thread(void *data)
{
    struct served *served = data;

    fake_serve(served->service, served->fd);
    close(served->fd);
    free(served);
    return NULL;
}

static void many_at_once(struct fake_service *s)
{
    pthread_t threads[128];
    size_t n = 0;
    int fd;

    while (n < 128 && (fd = fake_greet(s)) >= 0) {
        struct served *served = malloc(sizeof *served);
        *served = (struct served){s, fd};
        if (pthread_create(&threads[n++], NULL, serve_in_thread, served) != 0)
            abort();
    }
    while (n-- > 0)
        pthread_join(threads[n], NULL);
}

static sem_t received, may_answer;

/* Keeps its first resolve until it may answer; meanwhile and afterwards it serves the others. */
static void answers_when_told(struct fake_service *s)
{
    int first = fake_greet(s);
    Itexd__V1__Request *request = fake_receive(s, first);

    sem_post(&received);
    for (int others = 0; others < 2; others++) { /* the child's, and the parent's finished one */
        int fd = fake_greet(s);
        fake_serve(s, fd);
        close(fd);
    }
    sem_wait(&may_answer);
    fake_reply_decision(first, request->id, "ok", NULL);
    itexd__v1__request__free_unpacked(request, NULL);
    fake_serve(s, first);
    close(first);
}

/* Dispatches until the service has the request. */
static void until_received(itex_request *r)
{
    itex_decision *none = NULL;

    while (sem_trywait(&received) < 0) {
        struct pollfd due = {.fd = itex_request_fd(r), .events = itex_request_events(r)};
        poll(&due, 1, 10);
        assert_int_equal(itex_dispatch(r, &none), ITEX_AGAIN);
    }
}

static void test_fork(void **state)
{
    (void)state;
    assert_int_equal(sem_init(&received, 0, 0) | sem_init(&may_answer, 0, 0), 0);
    struct fake_service *s = fake_start(SOCK_SEQPACKET, answers_when_told);
    itex_request *under_way = request_to(s->path, 20000);
    itex_request *r = request_to(s->path, 20000);
    itex_decision *finished = NULL, *d = NULL;
    int status;

    assert_int_equal(itex_resolve_start(under_way), ITEX_OK);
    until_received(under_way);
    assert_int_equal(itex_resolve(r, &finished), ITEX_OK);
    pid_t child = fork();
    if (child == 0)
        _exit(in_the_child(under_way, finished, s->path));
    assert_int_equal(itex_decision_accept(finished), ITEX_OK); /* the child's freeing does not disturb it */
    itex_decision_free(finished);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    sem_post(&may_answer);
    assert_int_equal(drive(under_way, &d), ITEX_OK); /* the parent's call goes on */
    itex_decision_free(d);
    itex_request_free(r);
    itex_request_free(under_way);
    fake_stop(s);
    assert_int_equal(s->connections, 3);
    fake_free(s);
    sem_destroy(&received);
    sem_destroy(&may_answer);
}

static void *resolve_often(void *path)
{
    for (int i = 0; i < 10; i++) {
        itex_request *r = itex_request_new();
        itex_decision *d = NULL;
        itex_request_set_socket(r, path);
        itex_request_set_timeout(r, 20000);
        bool good = itex_resolve(r, &d) == ITEX_OK && itex_decision_id(d) == 42;
        itex_decision_free(d);
        itex_request_free(r);
        if (!good)
            return (void *)"failed";
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct fake_service *s = fake_start(SOCK_SEQPACKET, many_at_once);
    pthread_t threads[8];

    (void)state;
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, resolve_often, s->path), 0);
    for (int i = 0; i < 8; i++) {
        void *result;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
    fake_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_main_path),
        cmocka_unit_test(test_unavailable),
        cmocka_unit_test(test_errors_of_the_service),
        cmocka_unit_test(test_forbidden_variables),
        cmocka_unit_test(test_rejected),
        cmocka_unit_test(test_request_id_is_kept_until_it_succeeds),
        cmocka_unit_test(test_another_question_is_another_request),
        cmocka_unit_test(test_accept_survives_a_restart),
        cmocka_unit_test(test_no_sigpipe),
        cmocka_unit_test(test_without_blocking),
        cmocka_unit_test(test_without_blocking_keeps_the_deadline),
        cmocka_unit_test(test_null),
        cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_fork),
        cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests_name("client-library", tests, NULL, NULL);
}
