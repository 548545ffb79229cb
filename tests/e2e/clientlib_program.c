/*
 * A job that uses libitexclient, one way per word on its command line. Prints name=value lines for test_clientlib.py
 * and ends with 0 unless it could not even do that.
 */
#define _GNU_SOURCE
#include <itexclient.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static itex_request *new_request(void)
{
    itex_request *request = itex_request_new();
    if (!request)
        exit(1);
    itex_request_set_fact(request, "keras", "0");
    itex_request_set_fact(request, "itex", "newest");
    itex_request_set_timeout(request, 10000);
    return request;
}

static void show_variable(const char *name)
{
    const char *value = getenv(name);
    printf("%s=%s\n", name, value ? value : "unset");
}

static void show_decision(itex_decision *decision)
{
    const char *mode = itex_decision_mode(decision);
    printf("id=%llu\nverdict=%s\nmode=%s\n", (unsigned long long)itex_decision_id(decision),
           itex_decision_verdict(decision), mode ? mode : "null");
}

static int whole(void)
{
    itex_request *request = new_request();
    itex_decision *decision = NULL;
    itex_status status = itex_resolve(request, &decision);
    printf("resolve=%d\nunavailable=%d\nerror=%s\n", status, itex_error_is_unavailable(status),
           itex_request_error(request));
    if (status == ITEX_OK) {
        int match = -1;
        show_decision(decision);
        printf("apply=%d\n", itex_decision_apply(decision));
        printf("accept=%d\n", itex_decision_accept(decision));
        printf("report=%d\n", itex_decision_report(decision, "npd", 0, &match));
        printf("match=%d\n", match);
    }
    show_variable("ITEX_DISABLE_XLA");
    show_variable("ITEXD_DECISION");
    itex_decision_free(decision);
    itex_request_free(request);
    return 0;
}

static int dispatch(void)
{
    itex_request *request = new_request();
    itex_decision *decision = NULL;
    itex_status status = itex_resolve_start(request);
    while (status == ITEX_OK || status == ITEX_AGAIN) {
        status = itex_dispatch(request, &decision);
        if (status != ITEX_AGAIN)
            break;
        struct pollfd fd = {.fd = itex_request_fd(request), .events = itex_request_events(request)};
        if (poll(&fd, 1, 10000) <= 0)
            return 1;
    }
    printf("resolve=%d\n", status);
    if (decision)
        show_decision(decision);
    itex_decision_free(decision);
    itex_request_free(request);
    return 0;
}

static int slow(void)
{
    itex_request *request = new_request();
    itex_decision *decision = NULL;
    struct timespec before, after;
    itex_request_set_timeout(request, 200);
    clock_gettime(CLOCK_MONOTONIC, &before);
    itex_status status = itex_resolve(request, &decision);
    clock_gettime(CLOCK_MONOTONIC, &after);
    printf("resolve=%d\nunavailable=%d\nmilliseconds=%ld\n", status, itex_error_is_unavailable(status),
           (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000);
    itex_request_free(request);
    return 0;
}

static int retry(void)
{
    itex_request *request = new_request();
    itex_decision *decision = NULL;
    itex_request_set_timeout(request, 300);
    printf("first=%d\n", itex_resolve(request, &decision));
    kill((pid_t)atoi(getenv("CONTINUE_PID")), SIGCONT);
    itex_request_set_timeout(request, 10000);
    printf("second=%d\n", itex_resolve(request, &decision));
    itex_decision_free(decision);
    itex_request_free(request);
    return 0;
}

/* The child frees its parent's objects and asks for itself; the parent's decision still works afterwards. */
static int forked(void)
{
    itex_request *request = new_request();
    itex_decision *decision = NULL;
    if (itex_resolve(request, &decision) != ITEX_OK)
        return 1;
    pid_t child = fork();
    if (child == 0) {
        itex_decision_free(decision);
        itex_request_free(request);
        request = new_request();
        itex_status status = itex_resolve(request, &decision);
        if (status == ITEX_OK)
            status = itex_decision_accept(decision);
        _exit(status == ITEX_OK ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    printf("child=%d\nparent=%d\n", status, itex_decision_accept(decision));
    itex_decision_free(decision);
    itex_request_free(request);
    return 0;
}

static void *ask_often(void *failed)
{
    for (int i = 0; i < 20; i++) {
        itex_request *request = new_request();
        itex_decision *decision = NULL;
        if (itex_resolve(request, &decision) != ITEX_OK || itex_decision_accept(decision) != ITEX_OK)
            __atomic_add_fetch((int *)failed, 1, __ATOMIC_RELAXED);
        itex_decision_free(decision);
        itex_request_free(request);
    }
    return NULL;
}

static int threads(void)
{
    pthread_t thread[8];
    int failed = 0;
    for (int i = 0; i < 8; i++)
        if (pthread_create(&thread[i], NULL, ask_often, &failed) != 0)
            return 1;
    for (int i = 0; i < 8; i++)
        pthread_join(thread[i], NULL);
    printf("failed=%d\n", failed);
    return 0;
}

/* The service dies between the decision and the accept. */
static int gone(void)
{
    itex_request *request = new_request();
    itex_decision *decision = NULL;
    signal(SIGPIPE, SIG_DFL);
    itex_request_set_timeout(request, 500);
    if (itex_resolve(request, &decision) != ITEX_OK)
        return 1;
    kill((pid_t)atoi(getenv("KILL_PID")), SIGKILL);
    while (kill((pid_t)atoi(getenv("KILL_PID")), 0) == 0 && itex_decision_accept(decision) == ITEX_OK)
        ;
    itex_decision_accept(decision);
    itex_decision_accept(decision);
    printf("alive=1\n");
    itex_decision_free(decision);
    itex_request_free(request);
    return 0;
}

static int null(void)
{
    itex_decision *decision = NULL;
    const char *text = NULL;
    int refused = itex_resolve(NULL, &decision) == ITEX_ERR_ARGUMENT &&
                  itex_request_set_fact(NULL, "keras", "0") == ITEX_ERR_ARGUMENT &&
                  itex_request_set_timeout(NULL, 1) == ITEX_ERR_ARGUMENT &&
                  itex_decision_apply(NULL) == ITEX_ERR_ARGUMENT && itex_decision_accept(NULL) == ITEX_ERR_ARGUMENT &&
                  itex_decision_env(NULL, 0, &text, &text) == ITEX_ERR_ARGUMENT;
    itex_decision_free(NULL);
    itex_request_free(NULL);
    printf("refused=%s\n", refused ? "all" : "not all");
    return 0;
}

/* An outer program has decided: what the job itself knows of it is ITEXD_DECISION. */
static int inherited(void)
{
    itex_decision *decision = NULL;
    int match = -1;
    itex_status status = itex_decision_inherited(NULL, 10000, &decision);
    printf("inherited=%d\n", status);
    if (status == ITEX_OK) {
        show_decision(decision);
        printf("report=%d\n", itex_decision_report(decision, "npd", 0, &match));
        printf("match=%d\n", match);
    }
    itex_decision_free(decision);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } ways[] = {{"whole", whole},     {"dispatch", dispatch}, {"slow", slow}, {"retry", retry},        {"fork", forked},
                {"threads", threads}, {"gone", gone},         {"null", null}, {"inherited", inherited}};
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; argc == 2 && i < sizeof ways / sizeof ways[0]; i++)
        if (strcmp(argv[1], ways[i].name) == 0)
            return ways[i].run();
    return 2;
}
