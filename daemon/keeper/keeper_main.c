/* The keeper's own main: options, sandbox, and one request after the other. */
#include "daemon/children/inside.h"
#include "daemon/keeper/access.h"
#include "daemon/keeper/keeper.h"
#include "daemon/keeper/usage.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EXIT_BROKEN 70
#define OPEN_FILES 64

struct keeper {
    const char *runtime_directory, *device_root;
    struct access *access; /* NULL: not opened yet */
    struct usage *usage;
    char error[512];
};

static Itexd__Child__Pong pong = ITEXD__CHILD__PONG__INIT;
static Itexd__Child__Done done = ITEXD__CHILD__DONE__INIT;

static void answer_done(Itexd__Child__Reply *reply, struct keeper *keeper, int error)
{
    if (error < 0) {
        reply->error = keeper->error;
        return;
    }
    reply->body_case = ITEXD__CHILD__REPLY__BODY_DONE;
    reply->done = &done;
}

/* Where it fails, the next request tries again. */
static int ensure_access(struct keeper *keeper)
{
    if (keeper->access)
        return 0;
    return access_open(keeper->runtime_directory, keeper->device_root, &keeper->access, keeper->error,
                       sizeof keeper->error);
}

static void restrict_access(struct keeper *keeper, const Itexd__Child__RestrictAccess *request,
                            Itexd__Child__Reply *reply)
{
    int error = ensure_access(keeper);

    for (size_t i = 0; error == 0 && i < request->n_nodes; i++)
        error = access_restrict(keeper->access, request->nodes[i], request->uids, request->n_uids, keeper->error,
                                sizeof keeper->error);
    answer_done(reply, keeper, error);
}

/* All of them, though one may fail. */
static void restore_access(struct keeper *keeper, const Itexd__Child__RestoreAccess *request,
                           Itexd__Child__Reply *reply)
{
    int error = ensure_access(keeper);
    const bool usable = error == 0;

    if (usable && request->n_nodes == 0)
        error = access_restore_all(keeper->access, (const char *const *)request->except, request->n_except,
                                   keeper->error, sizeof keeper->error);
    for (size_t i = 0; usable && i < request->n_nodes; i++) {
        int result = access_restore(keeper->access, request->nodes[i], keeper->error, sizeof keeper->error);
        if (result < 0)
            error = result;
    }
    answer_done(reply, keeper, error);
}

static void handle(void *context, const Itexd__Child__Request *request, Itexd__Child__Reply *reply)
{
    struct keeper *keeper = context;

    keeper->error[0] = '\0';
    switch (request->body_case) {
    case ITEXD__CHILD__REQUEST__BODY_PING:
        reply->body_case = ITEXD__CHILD__REPLY__BODY_PONG;
        reply->pong = &pong;
        break;
    case ITEXD__CHILD__REQUEST__BODY_RESTRICT_ACCESS:
        restrict_access(keeper, request->restrict_access, reply);
        break;
    case ITEXD__CHILD__REQUEST__BODY_RESTORE_ACCESS:
        restore_access(keeper, request->restore_access, reply);
        break;
    case ITEXD__CHILD__REQUEST__BODY_SCAN:
        reply->usage = usage_scan(keeper->usage, (const char *const *)request->scan->bdfs, request->scan->n_bdfs,
                                  request->scan->has_uid ? &request->scan->uid : NULL);
        reply->body_case = ITEXD__CHILD__REPLY__BODY_USAGE;
        break;
    default:
        reply->error = (char *)"this is not for the keeper";
    }
}

static const char *option(int argc, char **argv, const char *name, const char *fallback)
{
    const size_t length = strlen(name);

    for (int i = 2; i < argc; i++)
        if (strncmp(argv[i], name, length) == 0 && argv[i][length] == '=')
            return argv[i] + length + 1;
    return fallback;
}

int keeper_main(int argc, char **argv)
{
    static const struct inside_limits limits = {.open_files = OPEN_FILES};
    struct keeper keeper = {
        .runtime_directory = option(argc, argv, "--runtime-directory", "/run/itexd"),
        .device_root = option(argc, argv, "--device-root", ""),
    };
    int error;

    error = usage_open(keeper.device_root, &keeper.usage, keeper.error, sizeof keeper.error);
    if (error == 0 && (error = inside_sandbox(&limits, true)) < 0)
        snprintf(keeper.error, sizeof keeper.error, "no sandbox: %s", strerror(-error));
    if (error < 0) {
        fprintf(stderr, "event=keeper-failed message=\"%s\"\n", keeper.error);
        _exit(EXIT_BROKEN);
    }
    inside_serve(handle, &keeper);
}
