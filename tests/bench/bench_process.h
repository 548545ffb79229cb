/* The servers under measurement: started on private sockets in a folder of the run, stopped at its end. */
#ifndef ITEXD_BENCH_PROCESS_H
#define ITEXD_BENCH_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

struct server {
    pid_t pid;
    char directory[256];
    char socket[300];
    char database[300]; /* itexd's */
};

/* options: lines added to the configuration. Returns when the service has said READY=1. */
void server_start_itexd(struct server *server, const char *program, const char *rules, const char *directory,
                        const char *options);
void server_start_redis(struct server *server, const char *program, const char *directory);
/* SIGTERM, and waits. */
void server_stop(struct server *server);

/* Kilobytes resident now; of which not backed by files. */
long server_rss_kb(const struct server *server);
long server_anonymous_kb(const struct server *server);
/* Bytes the process has handed to write calls (not to sockets) since its start. */
uint64_t server_written(const struct server *server);
/* User and system time used so far, in seconds. */
double server_cpu_seconds(const struct server *server);
/* Bytes of itexd's write-ahead log. */
uint64_t server_wal_bytes(const struct server *server);

#endif
