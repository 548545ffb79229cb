/*
 * A training job in C: asks the node for a device and a mode, applies the answer, works, and reports what it got.
 *
 *     ./job [DEVICES]
 */
#include <errno.h>
#include <itexclient.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* TensorFlow's C API would be loaded here. What it then says of its devices is what is reported. */
static const char *load_framework(unsigned *devices)
{
    const char *mask = getenv("ZE_AFFINITY_MASK");

    *devices = mask && *mask ? 1 : 0;
    for (const char *at = mask; at && *at; at++)
        *devices += *at == ',';
    return *devices > 0 ? "npd" : "none";
}

/* In a child: the parent's objects are not for it, but what the parent runs under it can ask for itself. */
static int work_in_child(void)
{
    itex_decision *decision = NULL;
    itex_status status = itex_decision_inherited(NULL, 2000, &decision);

    if (status != ITEX_OK) {
        fprintf(stderr, "job: the child runs under no decision that can be read: %s\n", itex_status_text(status));
        return 1;
    }
    printf("child: decision %llu, mode %s\n", (unsigned long long)itex_decision_id(decision),
           itex_decision_mode(decision));
    itex_decision_free(decision);
    return 0;
}

static int fork_worker(void)
{
    int status = 0;
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child == 0) {
        status = work_in_child();
        fflush(NULL);
        _exit(status);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return child < 0 || status != 0;
}

static int train(itex_decision *decision)
{
    unsigned devices;
    const char *mode = load_framework(&devices);
    int match = 0;

    printf("mode %s, lease %llu, own device %d of %zu\n", itex_decision_mode(decision),
           (unsigned long long)itex_decision_lease(decision), itex_decision_local_device(decision),
           itex_decision_device_count(decision));
    if (itex_decision_report(decision, mode, devices, &match) == ITEX_OK)
        printf("got %s on %u: %s\n", mode, devices, match ? "as promised" : "not as promised");
    return fork_worker();
}

static void explain(const itex_decision *decision)
{
    const char *rule, *message, *solution;

    for (size_t i = 0; i < itex_decision_diagnostic_count(decision); i++)
        if (itex_decision_diagnostic(decision, i, &rule, NULL, &message, &solution, NULL) == ITEX_OK)
            fprintf(stderr, "job: %s: %s%s%s\n", rule, message, solution ? " " : "", solution ? solution : "");
}

static int run_decided(itex_decision *decision)
{
    if (itex_decision_apply(decision) != ITEX_OK) {
        fprintf(stderr, "job: %s\n", itex_decision_error(decision));
        explain(decision);
        return 75;
    }
    /* From now on the lease lasts as long as this process. */
    itex_decision_accept(decision);
    return train(decision);
}

int main(int argc, char **argv)
{
    itex_request *request = itex_request_new();
    itex_decision *decision = NULL;
    itex_status status = request ? ITEX_OK : ITEX_ERR_MEMORY;
    int result = 1;

    if (request) {
        itex_request_set_fact(request, "keras", "0");
        if (argc > 1)
            itex_request_set_devices(request, (unsigned)atoi(argv[1]), 0, 0, 5000);
        status = itex_resolve(request, &decision);
    }
    if (status == ITEX_OK) {
        result = run_decided(decision);
    } else if (itex_error_is_unavailable(status)) {
        fprintf(stderr, "job: going on as I am: %s\n", itex_request_error(request));
        result = 0;
    } else {
        fprintf(stderr, "job: %s\n", request ? itex_request_error(request) : itex_status_text(status));
    }
    itex_decision_free(decision);
    itex_request_free(request);
    return result;
}
