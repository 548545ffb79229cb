/*
 * Every family of metrics, once: name, type, unit and what it is. docs/metrics.md is compared with what itexd gives out
 * by a test. Names are what dashboards and alerts are made of: they only ever grow.
 *
 * Those that begin with hw_ are called, and labelled, as Intel's xpumd (intel/xpumanager) calls them; docs/metrics.md
 * says which version was read.
 */
#ifndef ITEXD_METRICS_FAMILIES_H
#define ITEXD_METRICS_FAMILIES_H

enum family_type { FAMILY_COUNTER, FAMILY_GAUGE, FAMILY_HISTOGRAM, FAMILY_INFO };

struct family {
    const char *name; /* without _total and _info, which the samples have */
    enum family_type type;
    const char *unit; /* the name's last word; NULL: none */
    const char *help;
};

/* Name, type, unit, help. */
#define FAMILIES(FAMILY)                                                                                               \
    FAMILY(BUILD, "itexd_build", INFO, NULL, "The version of itexd.")                                                  \
    FAMILY(START_TIME, "itexd_start_time_seconds", GAUGE, "seconds", "When itexd was started, in seconds since 1970.") \
    FAMILY(SNAPSHOT_AGE, "itexd_snapshot_age_seconds", GAUGE, "seconds",                                               \
           "How old these numbers are; more than a second where the service's loop does not answer.")                  \
    FAMILY(SCRAPES, "itexd_scrapes", COUNTER, NULL, "Scrapes answered before this one.")                               \
    FAMILY(DEGRADED, "itexd_degraded", GAUGE, NULL,                                                                    \
           "1 where something is wrong that a person should look at; itexctl status says what.")                       \
    FAMILY(SETTINGS, "itexd_settings", INFO, NULL, "The policy in force, whether it is locked, and the durability.")   \
    FAMILY(SUBSTITUTE, "itexd_substitute", INFO, NULL, "What the devices are: real, SIMULATED or EMULATED.")           \
    FAMILY(RULE_SET, "itexd_rule_set", INFO, NULL, "The rule set in force.")                                           \
    FAMILY(RULES, "itexd_rules", GAUGE, NULL, "Rules in the set in force.")                                            \
    FAMILY(RULE_SET_WAITING, "itexd_rule_set_waiting", GAUGE, NULL,                                                    \
           "1 where newer shipped rules wait for an administrator to activate them.")                                  \
    FAMILY(DECISIONS, "itexd_decisions", COUNTER, NULL,                                                                \
           "Decisions that are on disk, by the mode and verdict they came to.")                                        \
    FAMILY(DECISION_RULES, "itexd_decision_rules", COUNTER, NULL,                                                      \
           "Diagnostics of those decisions by their rule; other: rules that the set in force does not have.")          \
    FAMILY(PREDICTED, "itexd_predicted_outcomes", COUNTER, NULL,                                                       \
           "Those decisions by what would have become of the job without them.")                                       \
    FAMILY(UNRECORDED, "itexd_unrecorded_decisions", COUNTER, NULL,                                                    \
           "Decisions that were given to jobs and could not be recorded.")                                             \
    FAMILY(ACCEPTED, "itexd_accepted_decisions", COUNTER, NULL, "Decisions that their job accepted.")                  \
    FAMILY(UNDELIVERED, "itexd_undelivered_decisions", COUNTER, NULL,                                                  \
           "Decisions whose offer of devices nobody accepted.")                                                        \
    FAMILY(REPORTS, "itexd_reported_decisions", COUNTER, NULL, "Decisions of which the job said what it really got.")  \
    FAMILY(MISMATCHES, "itexd_mismatched_decisions", COUNTER, NULL,                                                    \
           "Decisions whose job got another mode or other devices than it was promised.")                              \
    FAMILY(REQUESTS, "itexd_requests", COUNTER, NULL, "Requests by what was asked.")                                   \
    FAMILY(REQUEST_DURATION, "itexd_request_duration_seconds", HISTOGRAM, "seconds",                                   \
           "From a request's arrival to its answer; resolve-with-devices includes waiting for devices.")               \
    FAMILY(RESOLUTION_DURATION, "itexd_resolution_duration_seconds", HISTOGRAM, "seconds",                             \
           "Time in which the loop resolved a job whose like was not remembered.")                                     \
    FAMILY(REMEMBERED, "itexd_remembered_resolutions", COUNTER, NULL,                                                  \
           "Resolutions that were taken from memory, for the same was asked lately.")                                  \
    FAMILY(REFUSALS, "itexd_refusals", COUNTER, NULL, "Requests and connections that were refused, by why.")           \
    FAMILY(PEERS, "itexd_peers", GAUGE, NULL, "Open connections.")                                                     \
    FAMILY(RECORDING, "itexd_recording", GAUGE, NULL, "1 where decisions are recorded.")                               \
    FAMILY(INTERRUPTIONS, "itexd_recording_interruptions", COUNTER, NULL,                                              \
           "Times that recording came back after it had stopped.")                                                     \
    FAMILY(MOVED_ASIDE, "itexd_database_moved_aside", GAUGE, NULL,                                                     \
           "1 where a corrupt database was moved aside since the start.")                                              \
    FAMILY(QUEUE, "itexd_store_queue", GAUGE, NULL, "Writes that wait for their commit.")                              \
    FAMILY(STORED, "itexd_stored_decisions", GAUGE, NULL, "Decisions in the database.")                                \
    FAMILY(COMMIT_DURATION, "itexd_commit_duration_seconds", HISTOGRAM, "seconds", "Time a commit took.")              \
    FAMILY(COMMIT_SIZE, "itexd_commit_writes", HISTOGRAM, NULL, "Writes that shared a commit.")                        \
    FAMILY(CHECKPOINT_DURATION, "itexd_checkpoint_duration_seconds", HISTOGRAM, "seconds",                             \
           "Time a checkpoint took; its count is the number of checkpoints.")                                          \
    FAMILY(DATABASE_BYTES, "itexd_database_bytes", GAUGE, "bytes", "Size of the database file.")                       \
    FAMILY(WAL_BYTES, "itexd_wal_bytes", GAUGE, "bytes",                                                               \
           "Size of its write-ahead log, which is kept at its length and used again.")                                 \
    FAMILY(LEASES, "itexd_leases", GAUGE, NULL, "Leases by state and sharing; recorded: a scheduler's.")               \
    FAMILY(LEASE_MEMBERS, "itexd_lease_members", GAUGE, NULL, "Processes that hold leases.")                           \
    FAMILY(LEASE_QUEUE, "itexd_lease_queue", GAUGE, NULL, "Requests for devices that wait.")                           \
    FAMILY(LEASE_OLDEST, "itexd_lease_queue_oldest_seconds", GAUGE, "seconds",                                         \
           "How long the first of them has waited; 0 where none does.")                                                \
    FAMILY(LEASE_WAITS, "itexd_lease_wait_seconds", HISTOGRAM, "seconds",                                              \
           "How long those waited that were granted devices.")                                                         \
    FAMILY(LEASE_ANSWERS, "itexd_lease_answers", COUNTER, NULL, "Requests for devices by what became of them.")        \
    FAMILY(LEASE, "itexd_lease", INFO, NULL,                                                                           \
           "A leased device or tile and the job that has it, to join devices and jobs by.")                            \
    FAMILY(LEASE_LEFT_OUT, "itexd_lease_info_left_out", GAUGE, NULL,                                                   \
           "Leased units beyond the 1024 that itexd_lease_info names.")                                                \
    FAMILY(CHILD_UP, "itexd_child_up", GAUGE, NULL, "1 where the child process runs and answers.")                     \
    FAMILY(CHILD_STATE, "itexd_child_state", GAUGE, NULL, "1 for the state that the child process is in.")             \
    FAMILY(CHILD_RESTARTS, "itexd_child_restarts", COUNTER, NULL, "Times that the child process was started again.")   \
    FAMILY(DEVICE, "itexd_device", INFO, NULL, "A device by its number in itexctl and its kernel driver.")             \
    FAMILY(DEVICE_DRAINED, "itexd_device_drained", GAUGE, NULL, "1 where an administrator has drained the device.")    \
    FAMILY(DEVICE_LINKS, "itexd_device_links", GAUGE, NULL, "Fabric ports that should work, and those that do.")       \
    FAMILY(GPU, "hw_gpu", INFO, NULL, "Information about the GPU device.")                                             \
    FAMILY(STATUS, "hw_status", GAUGE, NULL, "1 for the state that the component is in.")                              \
    FAMILY(TEMPERATURE, "hw_temperature_celsius", GAUGE, "celsius",                                                    \
           "Temperature, of the hottest sensor at the location.")                                                      \
    FAMILY(POWER, "hw_power_watts", GAUGE, "watts", "Power over the time since the sample before.")                    \
    FAMILY(ENERGY, "hw_energy_joules", COUNTER, "joules", "Energy since the driver was loaded.")                       \
    FAMILY(FREQUENCY, "hw_frequency_hertz", GAUGE, "hertz", "Frequency of the GPU over the last ten seconds.")         \
    FAMILY(FREQUENCY_LIMIT, "hw_frequency_limit_hertz", GAUGE, "hertz",                                                \
           "Highest frequency that the GPU may reach now.")                                                            \
    FAMILY(THROTTLE, "hw_frequency_throttle_status", GAUGE, NULL,                                                      \
           "1 where the frequency is throttled for this reason.")                                                      \
    FAMILY(UTILISATION, "hw_gpu_utilization_ratio", GAUGE, "ratio", "Share of the time in which an engine was busy.")  \
    FAMILY(MEMORY_SIZE, "hw_memory_size_bytes", GAUGE, "bytes", "Memory of the device.")                               \
    FAMILY(MEMORY_USAGE, "hw_memory_usage_bytes", GAUGE, "bytes", "Memory in use.")                                    \
    FAMILY(MEMORY_UTILISATION, "hw_memory_utilization_ratio", GAUGE, "ratio", "Share of the memory that is in use.")   \
    FAMILY(MEMORY_RATE, "hw_memory_io_rate_bytes_per_second", GAUGE, NULL,                                             \
           "Memory read and written since the sample before.")                                                         \
    FAMILY(ERRORS, "hw_errors", COUNTER, NULL, "Errors since the driver was loaded.")                                  \
    FAMILY(LOG_DROPPED, "itexd_log_lines_dropped", COUNTER, NULL,                                                      \
           "Log lines that were dropped, for nobody read them.")                                                       \
    FAMILY(CPU, "process_cpu_seconds", COUNTER, "seconds", "Processor time of itexd itself, without its children.")    \
    FAMILY(MEMORY, "process_resident_memory_bytes", GAUGE, "bytes", "Resident memory of itexd itself.")                \
    FAMILY(OPEN_FDS, "process_open_fds", GAUGE, NULL, "Open file descriptors of itexd itself.")                        \
    FAMILY(MAX_FDS, "process_max_fds", GAUGE, NULL, "Highest number of file descriptors that it may open.")

#define FAMILY_ID(id, ...) FAMILY_##id,
enum family_id { FAMILIES(FAMILY_ID) FAMILY_COUNT };
#undef FAMILY_ID

extern const struct family family_table[FAMILY_COUNT];

#endif
