/*
 * Configuration: one table of options is the configuration file, the command line and --help. docs/man is compared
 * with it by a test.
 *
 * The command line goes over the file, the file over the defaults. `socket_mode` in the file is --socket-mode on the
 * command line. A file that nobody named may be absent.
 */
#ifndef ITEXD_DAEMON_OPTIONS_H
#define ITEXD_DAEMON_OPTIONS_H

#include "daemon/yaml/yaml_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define OPTIONS_DEFAULT_FILE "/etc/itexd/itexd.yaml"

enum option_policy { OPTION_POLICY_RULESET, OPTION_POLICY_ENFORCE, OPTION_POLICY_ADVISE };
enum option_devices { OPTION_DEVICES_AUTO, OPTION_DEVICES_OFF };
enum option_watch { OPTION_WATCH_AUTO, OPTION_WATCH_ON, OPTION_WATCH_OFF };
enum option_durability { OPTION_DURABILITY_FULL, OPTION_DURABILITY_NORMAL };

struct options {
    struct yaml_text config; /* of the command line only, as the next three */
    bool check, help, version;

    struct yaml_text socket, socket_mode_text, database, rules, group;
    struct yaml_text metrics_socket, metrics_socket_mode_text; /* NULL text: none */
    unsigned socket_mode, metrics_socket_mode;                 /* the texts as numbers */
    int durability, policy, log_level;
    bool locked;
    uint64_t connections, connections_per_uid, requests_in_flight_per_uid;
    uint64_t outbound_bytes_per_peer, outbound_bytes_per_uid;
    uint64_t hello_timeout, stall_timeout, stop_timeout, retry_window; /* milliseconds */
    uint64_t write_queue, checkpoint_pages, retention_days, retention_decisions;

    int devices, watch_use;
    bool enforcement;
    struct yaml_text runtime_directory;
    /* milliseconds */
    uint64_t sample_interval, worker_deadline, start_deadline, worker_backoff, drain_timeout, watch_interval;
    uint64_t shared_limit, temperature_limit, memory_temperature_limit, uncorrectable_limit;
    /* For tests and debugging; NULL texts: not given. */
    struct yaml_text simulated_driver, worker_environment, device_root;

    struct yaml_memory memory; /* of the texts */
};
#define OPTIONS_INIT                                                                                                   \
    {                                                                                                                  \
        .memory = YAML_MEMORY_INIT                                                                                     \
    }

enum options_result {
    OPTIONS_OK = 0,
    OPTIONS_USAGE = 1,         /* the command line is wrong */
    OPTIONS_CONFIGURATION = 2, /* the file is wrong, or cannot be read */
};

/* Fills options, which must be OPTIONS_INIT. A positive result has errors in messages; -ENOMEM. Where help or version
 * is asked for, the file is not read. */
int options_load(int argc, char **argv, struct options *options, struct yaml_messages *messages);
void options_clear(struct options *options);

/* Name of the first option that differs and only takes effect at a start; NULL: none does. */
const char *options_needs_restart(const struct options *before, const struct options *after);
/* Those options get their values of before, for until a start they are what they were. 0, -ENOMEM. */
int options_keep_until_restart(struct options *options, const struct options *before);

void options_help(FILE *out);
const char *options_durability_name(int durability);
const char *options_policy_name(int policy); /* "ruleset" for the rule set's own */

#endif
