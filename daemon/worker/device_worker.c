/*
 * The device worker: the only process that loads Level Zero.
 *
 * It is expected to hang and to crash, so it holds nothing that is worth keeping. The sandbox is closed before the
 * loader is opened. It creates no context, no queue and no memory on a GPU, and every card is visible to it as a whole
 * (no mask, COMPOSITE, in the order of PCI addresses), whatever jobs are given. It never leaves by exit().
 */
#include "daemon/worker/device_worker.h"
#include "daemon/children/inside.h"
#include "daemon/worker/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE 2
#define EXIT_INTERNAL 70
#define OPEN_FILES 1024 /* a driver opens every node and many files of sysfs per card */

_Static_assert(LEVEL_ZERO_CALL_SIZE == sizeof((struct child_page){0}.call), "the page holds a call's name");

static void answer(void *context, const Itexd__Child__Request *request, Itexd__Child__Reply *reply)
{
    static Itexd__Child__Pong pong = ITEXD__CHILD__PONG__INIT;
    struct worker *worker = context;

    switch (request->body_case) {
    case ITEXD__CHILD__REQUEST__BODY_PING:
        reply->body_case = ITEXD__CHILD__REPLY__BODY_PONG;
        reply->pong = &pong;
        break;
    case ITEXD__CHILD__REQUEST__BODY_INVENTORY:
        if (inventory_take(worker) < 0) {
            reply->error = worker->error;
            break;
        }
        reply->body_case = ITEXD__CHILD__REPLY__BODY_INVENTORY;
        reply->inventory = &worker->inventory;
        break;
    case ITEXD__CHILD__REQUEST__BODY_SAMPLE:
        sample_take(worker);
        reply->body_case = ITEXD__CHILD__REPLY__BODY_SAMPLES;
        reply->samples = &worker->samples;
        break;
    default:
        reply->error = (char *)"the device worker does not know this request";
    }
}

static bool parse(struct worker *worker, int argc, char **argv)
{
    static const char root[] = "--device-root=", substitute[] = "--substitute=";

    worker->device_root = "";
    worker->with_sysman = true;
    for (int i = 2; i < argc; i++) {
        if (strncmp(argv[i], root, sizeof root - 1) == 0)
            worker->device_root = argv[i] + sizeof root - 1;
        else if (strncmp(argv[i], substitute, sizeof substitute - 1) == 0)
            worker->substitute = argv[i] + sizeof substitute - 1;
        else if (strcmp(argv[i], "--no-sysman") == 0)
            worker->with_sysman = false;
        else
            return false;
    }
    if (strcmp(worker->device_root, "/") == 0)
        worker->device_root = "";
    return true;
}

static bool set_environment(void)
{
    const char *alternative = getenv("ZE_ENABLE_ALT_DRIVERS");

    /* Set to nothing it crashes the loader. */
    if (alternative && !*alternative)
        unsetenv("ZE_ENABLE_ALT_DRIVERS");
    return unsetenv("ZE_AFFINITY_MASK") == 0 && setenv("ZE_FLAT_DEVICE_HIERARCHY", "COMPOSITE", 1) == 0 &&
           setenv("ZE_ENABLE_PCI_ID_DEVICE_ORDER", "1", 1) == 0;
}

int device_worker_main(int argc, char **argv)
{
    static const struct inside_limits limits = {.open_files = OPEN_FILES};
    struct worker *worker = calloc(1, sizeof *worker);
    struct child_page *page = inside_page();

    if (!worker || !set_environment())
        _exit(EXIT_INTERNAL);
    if (!parse(worker, argc, argv)) {
        fprintf(stderr, "itexd device-worker: unknown argument; itexd starts this itself\n");
        _exit(EXIT_USAGE);
    }
    if (inside_sandbox(&limits, true) < 0) {
        fprintf(stderr, "itexd device-worker: the kernel refuses the sandbox (seccomp); no driver is loaded\n");
        _exit(EXIT_INTERNAL);
    }
    worker->lz.call = page->call;
    worker->lz.in_sysman = &page->in_sysman;
    inside_serve(answer, worker);
}
