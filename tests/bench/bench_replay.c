/*
 * What a replay of very many decisions takes, and what it costs the jobs that ask meanwhile: README.md beside this file
 * says what each line means.
 *
 * Two databases, made by real requests: few facts that many decisions share, and facts of each decision's own. On
 * each, requests at a steady rate without and with a replay, in turns.
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
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILLERS 200
#define CLIENTS 50

struct options {
    const char *itexd, *itexctl, *rules, *directory;
    uint64_t decisions;
    double rate, seconds;
    unsigned rounds;
};

struct bench {
    struct options options;
    char directory[200];
    struct request_pool *pool;
};

static size_t next_request(void *context, uint8_t *packet)
{
    return request_pool_next(((struct bench *)context)->pool, packet);
}

/* One in 256 replies is looked into: a refusal or an unrecorded decision would not be a measurement. */
static size_t check_reply(void *context, const uint8_t *data, size_t size)
{
    static unsigned count;
    (void)context;
    if (count++ % 256 != 0)
        return size;
    Itexd__V1__ServerPacket *packet = itexd__v1__server_packet__unpack(NULL, size, data);
    const Itexd__V1__Reply *reply =
        packet && packet->kind_case == ITEXD__V1__SERVER_PACKET__KIND_REPLY ? packet->reply : NULL;
    if (reply && reply->body_case == ITEXD__V1__REPLY__BODY_ERROR)
        bench_fail("itexd refused: %s", reply->error->text);
    if (!reply || (reply->body_case == ITEXD__V1__REPLY__BODY_DECISION && !reply->decision->recorded))
        bench_fail("a decision was not recorded");
    itexd__v1__server_packet__free_unpacked(packet, NULL);
    return size;
}

static struct load *open_load(struct bench *bench, const struct server *server, unsigned connections)
{
    const struct load_target target = {.type = SOCK_SEQPACKET,
                                       .path = server->socket,
                                       .greeting = bench_hello,
                                       .request = next_request,
                                       .reply = check_reply,
                                       .context = bench};
    return load_open(&target, connections);
}

static void fill(struct bench *bench, const struct server *server)
{
    struct load *load = open_load(bench, server, FILLERS);
    uint64_t done = 0, start = now_ns();
    while (done < bench->options.decisions) {
        struct load_result result;
        load_closed_loop(load, 0.5, &result);
        done += result.done;
        samples_clear(&result.latency_us);
    }
    load_close(load);
    struct stat database;
    if (stat(server->database, &database) < 0)
        bench_fail("%s: %s", server->database, strerror(errno));
    printf("  %" PRIu64 " decisions in %.0f s, database %.0f MB\n", done, (double)(now_ns() - start) / 1e9,
           (double)database.st_size / 1e6);
}

/* ---- The replay ----------------------------------------------------------------------------------------- */

struct replay {
    pid_t pid;
    int out;
    uint64_t start_ns;
    long rss_kb; /* the largest seen */
};

/* Against what was decided, under the set in force: all of the work, and nothing may differ. */
static void start_replay(struct replay *replay, const struct bench *bench, const struct server *server)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        bench_fail("pipe: %s", strerror(errno));
    *replay = (struct replay){.out = ends[0], .start_ns = now_ns()};
    replay->pid = fork();
    if (replay->pid < 0)
        bench_fail("fork: %s", strerror(errno));
    if (replay->pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execl(bench->options.itexctl, "itexctl", "replay", "--rules", "active", "--json", "--socket", server->socket,
              "--fail-on", "any", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
}

static void watch_replay(struct replay *replay)
{
    const struct server process = {.pid = replay->pid};
    long rss = server_rss_kb(&process);
    if (rss > replay->rss_kb)
        replay->rss_kb = rss;
}

/* What it printed: a number behind a key. */
static uint64_t number_in(const char *text, const char *key)
{
    const char *found = strstr(text, key);
    return found ? strtoull(found + strlen(key), NULL, 10) : 0;
}

static bool replay_ended(struct replay *replay, int options, int *status)
{
    pid_t ended = waitpid(replay->pid, status, options);
    if (ended < 0)
        bench_fail("waitpid: %s", strerror(errno));
    return ended > 0;
}

/* Returns its seconds by the clock. */
static double finish_replay(struct replay *replay, int status)
{
    static char text[1 << 20];
    ssize_t size = read(replay->out, text, sizeof text - 1);
    double seconds = (double)(now_ns() - replay->start_ns) / 1e9;
    close(replay->out);
    text[size > 0 ? size : 0] = '\0';
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        bench_fail("the replay ended with %d: %s", status, text);
    uint64_t decisions = number_in(text, "\"decisions\":");
    printf("  replay under load: %" PRIu64 " decisions in %.1f s, %.0f a second; itexctl %.1f MB\n", decisions, seconds,
           (double)decisions / seconds, (double)replay->rss_kb / 1024);
    return seconds;
}

/* ---- In turns --------------------------------------------------------------------------------------------- */

static void load_for(struct bench *bench, struct load *load, double seconds, struct samples *latency_us)
{
    struct load_result result;
    load_open_loop(load, bench->options.rate, seconds, &result);
    samples_append(latency_us, &result.latency_us);
    samples_clear(&result.latency_us);
}

static void load_during_replay(struct bench *bench, struct load *load, const struct server *server,
                               struct samples *latency_us, struct samples *replay_seconds)
{
    uint64_t start = now_ns();
    /* A short replay is done again until the stretch is as long as the one without. */
    while ((double)(now_ns() - start) / 1e9 < bench->options.seconds) {
        struct replay replay;
        int status;
        start_replay(&replay, bench, server);
        while (!replay_ended(&replay, WNOHANG, &status)) {
            load_for(bench, load, 0.2, latency_us);
            watch_replay(&replay);
        }
        samples_add(replay_seconds, finish_replay(&replay, status));
    }
}

static void print_latency(const char *what, struct samples *latency_us)
{
    printf("  %-20s median %7.0f us   p99 %8.0f us\n", what, samples_at(latency_us, 0.5), samples_at(latency_us, 0.99));
}

static void measure(struct bench *bench, const struct server *server)
{
    struct load *load = open_load(bench, server, CLIENTS);
    struct samples seconds = SAMPLES_INIT, medians = SAMPLES_INIT, tails = SAMPLES_INIT;
    long rss = server_rss_kb(server);
    for (unsigned round = 0; round < bench->options.rounds; round++) {
        struct samples without = SAMPLES_INIT, with = SAMPLES_INIT;
        load_for(bench, load, bench->options.seconds, &without);
        load_during_replay(bench, load, server, &with, &seconds);
        load_for(bench, load, bench->options.seconds, &without);
        print_latency("without", &without);
        print_latency("during a replay", &with);
        samples_add(&medians, samples_at(&with, 0.5) / samples_at(&without, 0.5));
        samples_add(&tails, samples_at(&with, 0.99) / samples_at(&without, 0.99));
        samples_clear(&without);
        samples_clear(&with);
    }
    load_close(load);
    printf("  replay, median: %.1f s (aim: 60 for a million)\n", samples_at(&seconds, 0.5));
    printf("  RATIO p50, p99 during / without, median of rounds: %.2f, %.2f (aim for p99: at most 1.5)\n",
           samples_at(&medians, 0.5), samples_at(&tails, 0.5));
    printf("  itexd: %.1f MB before, %.1f MB after\n", (double)rss / 1024, (double)server_rss_kb(server) / 1024);
    samples_clear(&seconds);
    samples_clear(&medians);
    samples_clear(&tails);
}

static void run(struct bench *bench, const char *name, bool distinct)
{
    struct server server;
    char directory[256];
    snprintf(directory, sizeof directory, "%s/%s", bench->directory, name);
    bench->pool = distinct ? request_pool_new_distinct() : request_pool_new();
    server_start_itexd(&server, bench->options.itexd, bench->options.rules, directory,
                       "durability: full\ndevices: off\nretention_decisions: 0\nretention_days: 0\n");
    printf("%s facts:\n", name);
    fill(bench, &server);
    measure(bench, &server);
    server_stop(&server);
    request_pool_free(bench->pool);
}

static void usage(FILE *out)
{
    fprintf(out, "usage: bench-replay --itexd PROGRAM --itexctl PROGRAM --rules DIRECTORY [--directory DIRECTORY]\n"
                 "                    [--decisions N] [--rate PER_SECOND] [--seconds S] [--rounds N]\n");
}

static struct options read_options(int argc, char **argv)
{
    static const struct option table[] = {{"itexd", required_argument, NULL, 'i'},
                                          {"itexctl", required_argument, NULL, 'c'},
                                          {"rules", required_argument, NULL, 'r'},
                                          {"directory", required_argument, NULL, 'd'},
                                          {"decisions", required_argument, NULL, 'n'},
                                          {"rate", required_argument, NULL, 'R'},
                                          {"seconds", required_argument, NULL, 's'},
                                          {"rounds", required_argument, NULL, 'N'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct options options = {.directory = "/var/tmp", .decisions = 1000000, .rate = 1000, .seconds = 20, .rounds = 3};
    for (int option; (option = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        switch (option) {
        case 'i':
            options.itexd = optarg;
            break;
        case 'c':
            options.itexctl = optarg;
            break;
        case 'r':
            options.rules = optarg;
            break;
        case 'd':
            options.directory = optarg;
            break;
        case 'n':
            options.decisions = strtoull(optarg, NULL, 10);
            break;
        case 'R':
            options.rate = strtod(optarg, NULL);
            break;
        case 's':
            options.seconds = strtod(optarg, NULL);
            break;
        case 'N':
            options.rounds = (unsigned)strtoul(optarg, NULL, 10);
            break;
        default:
            usage(option == 'h' ? stdout : stderr);
            exit(option == 'h' ? 0 : 2);
        }
    }
    return options;
}

int main(int argc, char **argv)
{
    struct bench bench = {.options = read_options(argc, argv)};
    char command[256];
    if (!bench.options.itexd || !bench.options.itexctl || !bench.options.rules || bench.options.decisions == 0 ||
        bench.options.rate <= 0 || bench.options.seconds <= 0 || bench.options.rounds == 0) {
        usage(stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    snprintf(bench.directory, sizeof bench.directory, "%.150s/itexd-bench-XXXXXX", bench.options.directory);
    if (!mkdtemp(bench.directory))
        bench_fail("%s: %s", bench.directory, strerror(errno));
    run(&bench, "shared", false);
    run(&bench, "distinct", true);
    snprintf(command, sizeof command, "rm -rf '%s'", bench.directory);
    return system(command) == 0 ? 0 : 1;
}
