/*
 * What the service costs, in one run on one machine, as ratios: README.md beside this file says what each line means
 * and how to read it.
 *
 * Everything that is compared runs interleaved (A B A B ...) on the same file system, so that a machine which
 * changes its mind changes both sides of a ratio.
 */
#include "bench_load.h"
#include "bench_process.h"
#include "bench_requests.h"
#include "bench_stats.h"

#include "itexd.pb-c.h"
#include "proto/framing.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS 50

struct options {
    const char *itexd, *rules, *redis, *bench_resolver, *directory;
    double seconds; /* of one measured stretch */
    unsigned rounds;
    unsigned connections; /* of the memory measurement */
};

struct bench {
    struct options options;
    char directory[200];
    struct request_pool *pool;
    size_t request_size, reply_size, commit_bytes;
    double saturation; /* durable resolves a second at 50 clients */
};

/* ---- Talking to itexd and to redis ----------------------------------------------------------------- */

/* The field of the reply that is set: packet = 0A <size> 08 <id> <tag>. */
static unsigned reply_kind(const uint8_t *data, size_t size)
{
    size_t at = 1;
    if (size < 6 || data[0] != 0x0A)
        return 0;
    while (at < size && data[at] & 0x80)
        at++;
    at++;
    if (at >= size || data[at] != 0x08)
        return 0;
    at++;
    while (at < size && data[at] & 0x80)
        at++;
    at++;
    return at < size ? data[at] >> 3 : 0;
}

_Noreturn static void fail_on_reply(const uint8_t *data, size_t size)
{
    Itexd__V1__ServerPacket *packet = itexd__v1__server_packet__unpack(NULL, size, data);
    if (packet && packet->kind_case == ITEXD__V1__SERVER_PACKET__KIND_REPLY &&
        packet->reply->body_case == ITEXD__V1__REPLY__BODY_ERROR)
        bench_fail("itexd refused: %s", packet->reply->error->text);
    bench_fail("itexd sent something that is no answer");
}

static void check_recorded(const uint8_t *data, size_t size)
{
    Itexd__V1__ServerPacket *packet = itexd__v1__server_packet__unpack(NULL, size, data);
    if (!packet || !packet->reply->decision->recorded)
        bench_fail("a decision was not recorded: this would not be a durable measurement");
    itexd__v1__server_packet__free_unpacked(packet, NULL);
}

/* One in 64 replies is looked into. */
static size_t itexd_reply(void *context, const uint8_t *data, size_t size)
{
    struct bench *bench = context;
    static unsigned count;
    unsigned kind = reply_kind(data, size);
    if (kind == ITEXD__V1__REPLY__BODY_DECISION) {
        if (count++ % 64 == 0)
            check_recorded(data, size);
        bench->reply_size = bench->reply_size ? (bench->reply_size * 63 + size) / 64 : size;
    } else if (kind != ITEXD__V1__REPLY__BODY_HELLO) {
        fail_on_reply(data, size);
    }
    return size;
}

static size_t itexd_request(void *context, uint8_t *packet)
{
    return request_pool_next(((struct bench *)context)->pool, packet);
}

static struct load_target itexd_target(struct bench *bench, const struct server *server)
{
    return (struct load_target){
        .type = SOCK_SEQPACKET,
        .path = server->socket,
        .greeting = bench_hello,
        .request = itexd_request,
        .reply = itexd_reply,
        .context = bench,
    };
}

/* SET with a random key of 32 digits and a value of a decision's size. */
static size_t redis_request(void *context, uint8_t *packet)
{
    const struct bench *bench = context;
    int size = snprintf((char *)packet, 256, "*3\r\n$3\r\nSET\r\n$32\r\n%016llx%016llx\r\n$%zu\r\n",
                        (unsigned long long)bench_random(), (unsigned long long)bench_random(), bench->reply_size);
    memset(packet + size, 'v', bench->reply_size);
    uint64_t salt = bench_random();
    memcpy(packet + size, &salt, sizeof salt);
    memcpy(packet + size + bench->reply_size, "\r\n", 2);
    return (size_t)size + bench->reply_size + 2;
}

static size_t redis_reply(void *context, const uint8_t *data, size_t size)
{
    (void)context;
    if (data[0] != '+')
        bench_fail("redis-server refused: %.*s", (int)size, (const char *)data);
    return size == 5 ? size : 0;
}

static void start_itexd(const struct bench *bench, struct server *server, const char *name, const char *more)
{
    char directory[256], options[512];
    snprintf(directory, sizeof directory, "%s/%s", bench->directory, name);
    snprintf(options, sizeof options,
             "durability: full\nconnections: 20000\nconnections_per_uid: 20000\nrequests_in_flight_per_uid: 20000\n%s",
             more);
    server_start_itexd(server, bench->options.itexd, bench->options.rules, directory, options);
}

/* ---- (a) The bare socket ------------------------------------------------------------------------------ */

struct echo {
    int fd;
    pid_t pid;
    size_t request, reply;
};

static void start_echo(struct echo *echo, const struct bench *bench)
{
    int pair[2];
    static uint8_t buffer[ITEXD_MAX_PACKET];
    echo->request = bench->request_size;
    echo->reply = bench->reply_size;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 || (echo->pid = fork()) < 0)
        bench_fail("echo: %s", strerror(errno));
    if (echo->pid == 0) {
        close(pair[0]);
        while (recv(pair[1], buffer, sizeof buffer, 0) > 0)
            if (send(pair[1], buffer, echo->reply, MSG_NOSIGNAL) < 0)
                break;
        _exit(0);
    }
    close(pair[1]);
    echo->fd = pair[0];
}

static void measure_echo(const struct echo *echo, unsigned count, struct samples *latency_us)
{
    static uint8_t buffer[ITEXD_MAX_PACKET];
    for (unsigned i = 0; i < count; i++) {
        uint64_t start = now_ns();
        if (send(echo->fd, buffer, echo->request, MSG_NOSIGNAL) < 0 || recv(echo->fd, buffer, sizeof buffer, 0) <= 0)
            bench_fail("echo: %s", strerror(errno));
        samples_add(latency_us, (double)(now_ns() - start) / 1000.0);
    }
}

static void stop_echo(struct echo *echo)
{
    close(echo->fd);
    waitpid(echo->pid, NULL, 0);
}

/* ---- (b) The bare disk ---------------------------------------------------------------------------------- */

struct disk {
    int fd;
    size_t bytes, size;
    off_t at;
    uint8_t *buffer;
};

static void open_disk(struct disk *disk, const struct bench *bench)
{
    char path[256];
    snprintf(path, sizeof path, "%s/preallocated", bench->directory);
    disk->bytes = bench->commit_bytes;
    disk->size = 4u << 20;
    disk->at = 0;
    disk->buffer = calloc(1, disk->size);
    disk->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (!disk->buffer || disk->fd < 0 || write(disk->fd, disk->buffer, disk->size) != (ssize_t)disk->size ||
        fsync(disk->fd) < 0)
        bench_fail("%s: %s", path, strerror(errno));
    memset(disk->buffer, 0x5A, disk->bytes);
}

static void measure_disk(struct disk *disk, unsigned count, struct samples *latency_us)
{
    for (unsigned i = 0; i < count; i++) {
        if (disk->at + (off_t)disk->bytes > (off_t)disk->size)
            disk->at = 0;
        uint64_t start = now_ns();
        if (pwrite(disk->fd, disk->buffer, disk->bytes, disk->at) != (ssize_t)disk->bytes || fdatasync(disk->fd) < 0)
            bench_fail("the preallocated file: %s", strerror(errno));
        samples_add(latency_us, (double)(now_ns() - start) / 1000.0);
        disk->at += (off_t)disk->bytes;
    }
}

static void close_disk(struct disk *disk)
{
    close(disk->fd);
    free(disk->buffer);
}

/* ---- (c) One client -------------------------------------------------------------------------------------- */

static void print_latency(const char *what, struct samples *latency_us)
{
    printf("  %-46s median %9.1f us   p99 %9.1f us\n", what, samples_at(latency_us, 0.5), samples_at(latency_us, 0.99));
}

/* What a commit of one decision writes, from the counters of the process, after it is warm. */
static void learn_sizes(struct bench *bench, const struct server *server, struct load *load)
{
    struct samples warm = SAMPLES_INIT;
    load_one_by_one(load, 400, &warm);
    uint64_t before = server_written(server);
    load_one_by_one(load, 200, &warm);
    bench->commit_bytes = (size_t)((server_written(server) - before) / 200);
    bench->request_size = request_pool_mean_size(bench->pool);
    samples_clear(&warm);
    printf("sizes: request %zu, reply %zu, written for one decision %zu bytes\n", bench->request_size,
           bench->reply_size, bench->commit_bytes);
}

static void bench_one_client(struct bench *bench, const struct server *server)
{
    struct load_target target = itexd_target(bench, server);
    struct load *load = load_open(&target, 1);
    struct samples bare = SAMPLES_INIT, synced = SAMPLES_INIT, durable = SAMPLES_INIT;
    struct echo echo;
    struct disk disk;
    learn_sizes(bench, server, load);
    start_echo(&echo, bench);
    open_disk(&disk, bench);
    /* Turns of some ten milliseconds: a disk that is slow for a while is slow for all three. */
    for (unsigned turn = 0; turn < bench->options.rounds * 8; turn++) {
        measure_echo(&echo, 200, &bare);
        measure_disk(&disk, 40, &synced);
        load_one_by_one(load, 40, &durable);
    }
    close_disk(&disk);
    stop_echo(&echo);
    load_close(load);
    double sum = samples_at(&bare, 0.5) + samples_at(&synced, 0.5);
    puts("one client:");
    print_latency("(a) bare ping-pong, same payloads", &bare);
    print_latency("(b) fdatasync of the bytes of a commit", &synced);
    print_latency("(c) durable resolve", &durable);
    printf("  RATIO (c) / ((a)+(b))            %.2f   (aim: at most 1.5)\n", samples_at(&durable, 0.5) / sum);
    samples_clear(&bare);
    samples_clear(&synced);
    samples_clear(&durable);
}

/* ---- (d) Fifty clients, beside redis ------------------------------------------------------------------------ */

struct side {
    struct load *load;
    const struct server *server;
    struct samples rate, latency_us;
    double cpu;
    uint64_t done;
};

static double run_side(struct side *side, double seconds)
{
    struct load_result result;
    double cpu = server_cpu_seconds(side->server);
    load_closed_loop(side->load, seconds, &result);
    side->cpu += server_cpu_seconds(side->server) - cpu;
    side->done += result.done;
    samples_add(&side->rate, (double)result.done / result.seconds);
    samples_append(&side->latency_us, &result.latency_us);
    samples_clear(&result.latency_us);
    return (double)result.done / result.seconds;
}

static void print_side(const char *name, struct side *side)
{
    printf("  %-34s %8.0f /s (median of rounds)   median %7.0f us   p99 %7.0f us   server CPU %5.1f us each\n", name,
           samples_at(&side->rate, 0.5), samples_at(&side->latency_us, 0.5), samples_at(&side->latency_us, 0.99),
           side->done ? side->cpu * 1e6 / (double)side->done : 0);
}

static void clear_side(struct side *side)
{
    if (side->load)
        load_close(side->load);
    samples_clear(&side->rate);
    samples_clear(&side->latency_us);
}

static void bench_fifty_clients(struct bench *bench, const struct server *itexd, const struct server *redis)
{
    struct load_target ours = itexd_target(bench, itexd);
    struct load_target theirs = {
        .type = SOCK_STREAM, .path = redis->socket, .request = redis_request, .reply = redis_reply, .context = bench};
    struct side a = {.load = load_open(&ours, CLIENTS), .server = itexd};
    struct side b = {.load = redis->pid ? load_open(&theirs, CLIENTS) : NULL, .server = redis};
    struct samples ratios = SAMPLES_INIT;
    for (unsigned round = 0; round < bench->options.rounds; round++) {
        double ours_now = run_side(&a, bench->options.seconds);
        if (b.load)
            samples_add(&ratios, ours_now / run_side(&b, bench->options.seconds));
    }
    bench->saturation = samples_at(&a.rate, 0.5);
    printf("%d clients:\n", CLIENTS);
    print_side("itexd, durable resolves", &a);
    if (b.load) {
        print_side("redis-server, appendfsync always", &b);
        printf("  RATIO itexd / redis              %.2f   (median of the rounds' ratios; aim: at least 1)\n",
               samples_at(&ratios, 0.5));
    } else {
        puts("  RATIO itexd / redis              not measured: redis-server is not installed");
    }
    clear_side(&a);
    clear_side(&b);
    samples_clear(&ratios);
}

/* ---- (e) The resolver alone ------------------------------------------------------------------------------ */

static void bench_resolver(const struct bench *bench)
{
    puts("resolver alone:");
    fflush(stdout);
    if (!bench->options.bench_resolver || access(bench->options.bench_resolver, X_OK) < 0) {
        puts("  not measured: bench-resolver was not built");
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        execl(bench->options.bench_resolver, bench->options.bench_resolver, bench->options.rules, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
        puts("  bench-resolver failed");
}

/* ---- (f) Memory ------------------------------------------------------------------------------------------- */

static unsigned affordable_connections(unsigned wanted)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        bench_fail("getrlimit: %s", strerror(errno));
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    return files.rlim_cur < wanted + 64 ? (unsigned)files.rlim_cur - 64 : wanted;
}

static void bench_memory(struct bench *bench)
{
    struct server server = {.pid = 0};
    start_itexd(bench, &server, "memory", "");
    double idle = (double)server_rss_kb(&server) / 1024, idle_own = (double)server_anonymous_kb(&server) / 1024;
    unsigned count = affordable_connections(bench->options.connections);
    struct load_target target = itexd_target(bench, &server);
    struct load *load = load_open(&target, count);
    double held = (double)server_rss_kb(&server) / 1024, held_own = (double)server_anonymous_kb(&server) / 1024;
    struct samples latency = SAMPLES_INIT;
    load_one_by_one(load, 200, &latency);
    puts("memory:");
    printf("  RSS idle with the shipped rules      %6.1f MB, %.1f MB of it not file-backed (aim: 12 MB)\n", idle,
           idle_own);
    printf("  RSS with %5u connections           %6.1f MB, %.1f MB of it not file-backed (aim: 60 MB)\n", count, held,
           held_own);
    print_latency("durable resolve with all of them open", &latency);
    samples_clear(&latency);
    load_close(load);
    server_stop(&server);
}

/* ---- (g) Checkpoints ----------------------------------------------------------------------------------------- */

struct paced {
    struct server server;
    struct load *load;
    struct samples latency_us;
    uint64_t wal;
};

static void start_paced(struct bench *bench, struct paced *paced, const char *name, const char *options)
{
    *paced = (struct paced){.wal = 0};
    start_itexd(bench, &paced->server, name, options);
    struct load_target target = itexd_target(bench, &paced->server);
    paced->load = load_open(&target, CLIENTS);
}

static void run_paced(const struct bench *bench, struct paced *paced, double seconds)
{
    struct load_result result;
    load_open_loop(paced->load, bench->saturation / 2, seconds, &result);
    samples_append(&paced->latency_us, &result.latency_us);
    samples_clear(&result.latency_us);
    uint64_t wal = server_wal_bytes(&paced->server);
    paced->wal = wal > paced->wal ? wal : paced->wal;
}

static void end_paced(struct paced *paced)
{
    load_close(paced->load);
    samples_clear(&paced->latency_us);
    server_stop(&paced->server);
}

static void bench_checkpoints(struct bench *bench)
{
    struct paced with, without;
    start_paced(bench, &with, "with-checkpoints", "");
    start_paced(bench, &without, "without-checkpoints", "checkpoint_pages: 100000000\n");
    for (unsigned round = 0; round < bench->options.rounds; round++) {
        run_paced(bench, &with, bench->options.seconds);
        run_paced(bench, &without, bench->options.seconds);
    }
    printf("checkpoints, %d clients at half the saturation rate (%.0f /s):\n", CLIENTS, bench->saturation / 2);
    print_latency("with", &with.latency_us);
    print_latency("without", &without.latency_us);
    printf("  RATIO p99 with / without         %.2f   (aim: at most 2)\n",
           samples_at(&with.latency_us, 0.99) / samples_at(&without.latency_us, 0.99));
    printf("  largest WAL with %.1f MB, without %.1f MB   (aim: under 64 MB)\n", (double)with.wal / 1048576,
           (double)without.wal / 1048576);
    end_paced(&with);
    end_paced(&without);
}

/* ---- The run -------------------------------------------------------------------------------------------------- */

static void run(struct bench *bench)
{
    struct server itexd = {.pid = 0}, redis = {.pid = 0};
    char directory[256];
    bench->pool = request_pool_new();
    start_itexd(bench, &itexd, "itexd", "");
    snprintf(directory, sizeof directory, "%s/redis", bench->directory);
    if (bench->options.redis && access(bench->options.redis, X_OK) == 0)
        server_start_redis(&redis, bench->options.redis, directory);
    bench_one_client(bench, &itexd);
    bench_fifty_clients(bench, &itexd, &redis);
    server_stop(&redis);
    server_stop(&itexd);
    bench_checkpoints(bench);
    bench_memory(bench);
    bench_resolver(bench);
    request_pool_free(bench->pool);
}

static void remove_directory(const char *directory)
{
    pid_t pid = fork();
    if (pid == 0) {
        execlp("rm", "rm", "-rf", "--", directory, (char *)NULL);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
}

static void usage(FILE *out)
{
    fputs("usage: bench-service --itexd PROGRAM --rules DIRECTORY [--redis PROGRAM] [--bench-resolver PROGRAM]\n"
          "                     [--directory DIRECTORY] [--seconds S] [--rounds N] [--connections N]\n"
          "The measurement happens on the file system of --directory (default /var/tmp).\n",
          out);
}

static struct options read_options(int argc, char **argv)
{
    static const struct option table[] = {
        {"itexd", required_argument, NULL, 'i'},   {"rules", required_argument, NULL, 'r'},
        {"redis", required_argument, NULL, 'R'},   {"bench-resolver", required_argument, NULL, 'b'},
        {"seconds", required_argument, NULL, 's'}, {"directory", required_argument, NULL, 'd'},
        {"rounds", required_argument, NULL, 'n'},  {"connections", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    struct options options = {
        .redis = "/usr/bin/redis-server", .directory = "/var/tmp", .seconds = 2, .rounds = 5, .connections = 10000};
    for (int option; (option = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        switch (option) {
        case 'i':
            options.itexd = optarg;
            break;
        case 'r':
            options.rules = optarg;
            break;
        case 'R':
            options.redis = optarg;
            break;
        case 'b':
            options.bench_resolver = optarg;
            break;
        case 'd':
            options.directory = optarg;
            break;
        case 's':
            options.seconds = strtod(optarg, NULL);
            break;
        case 'n':
            options.rounds = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'c':
            options.connections = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'h':
            usage(stdout);
            exit(0);
        default:
            usage(stderr);
            exit(2);
        }
    }
    return options;
}

int main(int argc, char **argv)
{
    struct bench bench = {.options = read_options(argc, argv)};
    if (!bench.options.itexd || !bench.options.rules || bench.options.seconds <= 0 || !bench.options.rounds) {
        usage(stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    snprintf(bench.directory, sizeof bench.directory, "%.150s/itexd-bench-XXXXXX", bench.options.directory);
    if (!mkdtemp(bench.directory))
        bench_fail("%s: %s", bench.directory, strerror(errno));
    run(&bench);
    remove_directory(bench.directory);
    return 0;
}
