/*
 * How fast the store records: N clients, each with one decision under way, its next one put when the last is on disk.
 *
 * Usage: bench-store DIRECTORY [clients] [seconds] [normal|full] [checkpoint-pages]
 * Prints one line of figures; then what the same pages cost when written and synced with nothing around them.
 */
#include "db/store.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SAMPLES = 1 << 20, PAGE = 4096 };

struct client {
    struct bench *bench;
    uint64_t since_us;
    unsigned number;
};

struct bench {
    struct store *store;
    uint64_t rule_set, done, failed, end_us;
    uint32_t *latency_us;
    size_t under_way;
    uint64_t largest_wal;
};

static uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void put(struct client *client);

static void recorded(void *context, int status, uint64_t id)
{
    struct client *client = context;
    struct bench *bench = client->bench;
    uint64_t now = now_us();

    (void)id;
    bench->under_way--;
    bench->failed += status != 0;
    bench->latency_us[bench->done++ % SAMPLES] = (uint32_t)(now - client->since_us);
    if (now < bench->end_us)
        put(client);
}

/* About what a real one is: 1 KB of facts, 600 bytes of outcome, a handful of kinds, a job of its own. */
static void put(struct client *client)
{
    static char facts[1024], outcome[600];
    const char *const rules[] = {"keras3-1", "legacy-unset"};
    struct bench *bench = client->bench;
    char job[32];
    struct store_decision decision = {
        .time_ms = now_us() / 1000,
        .uid = 1000 + client->number % 8,
        .pid = (int32_t)client->number,
        .job = job,
        .state = STORE_OFFERED,
        .policy = "enforce",
        .rule_set = bench->rule_set,
        .facts = {facts, sizeof facts},
        .outcome = {outcome, sizeof outcome},
        .mode = "npd+xla",
        .verdict = "fixed",
        .rules = rules,
        .n_rules = 2,
        .observed_devices = -1,
        .observed_match = -1,
    };

    snprintf(job, sizeof job, "%" PRIu64, 4000000 + bench->done / 4);
    snprintf(facts, sizeof facts, "facts %u", client->number % 16);
    snprintf(outcome, sizeof outcome, "outcome %u", client->number % 8);
    memcpy(decision.request_id, &bench->done, sizeof bench->done);
    client->since_us = now_us();
    if (store_put_decision(bench->store, &decision, recorded, client) == 0)
        bench->under_way++;
}

static int by_value(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

static void watch_wal(struct bench *bench)
{
    struct store_status status;

    store_status(bench->store, &status);
    if (status.wal_bytes > bench->largest_wal)
        bench->largest_wal = status.wal_bytes;
}

static void run(struct bench *bench, struct client *clients, unsigned n)
{
    struct pollfd poller = {.fd = store_fd(bench->store), .events = POLLIN};
    unsigned turns = 0;

    for (unsigned i = 0; i < n; i++) {
        clients[i] = (struct client){.bench = bench, .number = i};
        put(&clients[i]);
    }
    while (bench->under_way > 0) {
        if (poll(&poller, 1, -1) < 0 && errno != EINTR)
            return;
        store_dispatch(bench->store, 0);
        if (++turns % 256 == 0)
            watch_wal(bench);
    }
    watch_wal(bench);
}

static void report(struct bench *bench, unsigned clients, double seconds)
{
    size_t n = bench->done < SAMPLES ? (size_t)bench->done : SAMPLES;
    struct store_status status;

    qsort(bench->latency_us, n, sizeof *bench->latency_us, by_value);
    store_status(bench->store, &status);
    printf("clients %u: %.0f decisions/s (%" PRIu64 " not recorded), latency p50 %u us p99 %u us max %u us\n", clients,
           (double)bench->done / seconds, bench->failed, bench->latency_us[n / 2], bench->latency_us[n - 1 - n / 100],
           bench->latency_us[n - 1]);
    printf("  commits %" PRIu64 " (%.1f decisions each, largest %" PRIu64 "), commit p50 %" PRIu64 " us p99 %" PRIu64
           " us, checkpoints %" PRIu64 ", WAL at most %.1f MB, database %.1f MB\n",
           status.commits, (double)bench->done / (double)(status.commits ? status.commits : 1), status.largest_commit,
           status.commit_p50_us, status.commit_p99_us, status.checkpoints, (double)bench->largest_wal / 1e6,
           (double)status.database_bytes / 1e6);
}

/* The floor: pages overwritten in place, one fdatasync. */
static void report_floor(const char *directory, unsigned pages)
{
    enum { ROUNDS = 200 };
    static char page[PAGE];
    char name[4096];
    CLEANUP(closep) int fd = -1;
    uint64_t began, took;

    snprintf(name, sizeof name, "%s/floor", directory);
    fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    for (unsigned i = 0; fd >= 0 && i < pages; i++) {
        if (pwrite(fd, page, PAGE, (off_t)i * PAGE) != PAGE)
            return;
    }
    if (fd < 0 || fdatasync(fd) < 0)
        return;
    began = now_us();
    for (unsigned round = 0; round < ROUNDS; round++) {
        page[0] = (char)round;
        for (unsigned i = 0; i < pages; i++) {
            if (pwrite(fd, page, PAGE, (off_t)i * PAGE) != PAGE)
                return;
        }
        if (fdatasync(fd) < 0)
            return;
    }
    took = now_us() - began;
    unlink(name);
    printf("  floor: %u pages in place and fdatasync %.0f us\n", pages, (double)took / ROUNDS);
}

static int open_bench(struct bench *bench, const char *path, char **arguments, int n)
{
    struct store_config config = {.path = path,
                                  .durability_full = n < 1 || strcmp(arguments[0], "normal") != 0,
                                  .checkpoint_pages = n < 2 ? 0 : strtoul(arguments[1], NULL, 10)};
    const struct store_rule_set set = {.name = "bench", .digest = "0", .origin = "shipped", .files = {"x", 1}};
    char error[256];
    int r = store_open(&config, &bench->store, error, sizeof error);

    if (r == 0)
        r = store_put_rule_set_now(bench->store, &set, true, &bench->rule_set);
    if (r < 0)
        fprintf(stderr, "bench-store: %s: %s\n", path, strerror(-r));
    return r;
}

int main(int argc, char **argv)
{
    unsigned n = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 50;
    double seconds = argc > 3 ? strtod(argv[3], NULL) : 3;
    CLEANUP(freep) struct client *clients = calloc(n, sizeof *clients);
    CLEANUP(store_closep) struct store *store = NULL;
    CLEANUP(freep) uint32_t *latencies = calloc(SAMPLES, sizeof *latencies);
    struct bench bench = {.latency_us = latencies};
    char path[4096];
    uint64_t began;

    if (argc < 2 || !clients || !latencies) {
        fprintf(stderr, "usage: bench-store DIRECTORY [clients] [seconds] [full|normal] [checkpoint-pages]\n");
        return 2;
    }
    snprintf(path, sizeof path, "%s/bench.db", argv[1]);
    if (open_bench(&bench, path, argv + 4, argc - 4 > 0 ? argc - 4 : 0) < 0)
        return 1;
    store = bench.store;
    began = now_us();
    bench.end_us = began + (uint64_t)(seconds * 1e6);
    run(&bench, clients, n);
    report(&bench, n, (double)(now_us() - began) / 1e6);
    report_floor(argv[1], 5);
    return bench.failed == 0 ? 0 : 1;
}
