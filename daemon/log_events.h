/*
 * Every event that the log knows, each in one row. The row's id is the journal's MESSAGE_ID and never changes its
 * meaning: a new kind of event gets a new one. systemd/itexd.catalog explains each id and docs/journal.md lists them;
 * a test holds the three together, and every log_event call to its row's fields.
 *
 * A name may stand in several rows, which differ by the variant (the verdict of a decision, the kind of what happened
 * to a device). Such a row is called NAME-VARIANT.
 */
#ifndef ITEXD_DAEMON_LOG_EVENTS_H
#define ITEXD_DAEMON_LOG_EVENTS_H

/* The numbers are syslog's priorities. */
enum log_level { LOG_ERROR = 3, LOG_WARNING = 4, LOG_NOTICE = 5, LOG_INFO = 6, LOG_DEBUG = 7 };

/* Constant; key in a plain line; field of a journal entry. */
#define LOG_FIELDS(X)                                                                                                  \
    X(VERSION, "version", "ITEXD_VERSION")                                                                             \
    X(SOCKET, "socket", "ITEXD_SOCKET")                                                                                \
    X(DATABASE, "database", "ITEXD_DATABASE")                                                                          \
    X(RULES, "rules", "ITEXD_RULESET_NAME")                                                                            \
    X(WHY, "why", "ITEXD_WHY")                                                                                         \
    X(UNANSWERED, "unanswered", "ITEXD_UNANSWERED")                                                                    \
    X(STATUS, "status", "ITEXD_STATUS")                                                                                \
    X(LIMIT, "limit", "ITEXD_LIMIT")                                                                                   \
    X(CONNECTIONS, "connections", "ITEXD_CONNECTIONS")                                                                 \
    X(GROUP, "group", "ITEXD_GROUP")                                                                                   \
    X(MESSAGE, "message", "ITEXD_MESSAGE")                                                                             \
    X(PATH, "path", "ITEXD_PATH")                                                                                      \
    X(KEPT, "kept", "ITEXD_KEPT")                                                                                      \
    X(UID, "uid", "ITEXD_UID")                                                                                         \
    X(PID, "pid", "ITEXD_PID")                                                                                         \
    X(OPTION, "option", "ITEXD_OPTION")                                                                                \
    X(RULESET, "id", "ITEXD_RULESET")                                                                                  \
    X(NAME, "name", "ITEXD_RULESET_NAME")                                                                              \
    X(DIGEST, "digest", "ITEXD_RULESET_DIGEST")                                                                        \
    X(ORIGIN, "origin", "ITEXD_ORIGIN")                                                                                \
    X(SINCE_LAST, "since-last", "ITEXD_SINCE_LAST")                                                                    \
    X(MS, "ms", "ITEXD_MS")                                                                                            \
    X(CLIENT, "client", "ITEXD_CLIENT")                                                                                \
    X(DECISION, "decision", "ITEXD_DECISION")                                                                          \
    X(JOB, "job", "ITEXD_JOB")                                                                                         \
    X(VERDICT, "verdict", "ITEXD_VERDICT")                                                                             \
    X(MODE, "mode", "ITEXD_MODE")                                                                                      \
    X(RECORDED, "recorded", "ITEXD_RECORDED")                                                                          \
    X(RULE, "rule", "ITEXD_RULE")                                                                                      \
    X(DEVICE, "device", "ITEXD_DEVICE")                                                                                \
    X(LEASE, "lease", "ITEXD_LEASE")                                                                                   \
    X(PROMISED_MODE, "promised", "ITEXD_PROMISED_MODE")                                                                \
    X(GOT_MODE, "got", "ITEXD_GOT_MODE")                                                                               \
    X(PROMISED_DEVICES, "promised", "ITEXD_PROMISED_DEVICES")                                                          \
    X(GOT_DEVICES, "got", "ITEXD_GOT_DEVICES")                                                                         \
    X(KIND, "kind", "ITEXD_KIND")                                                                                      \
    X(DIRECTORY, "directory", "ITEXD_DIRECTORY")                                                                       \
    X(CARDS, "cards", "ITEXD_CARDS")                                                                                   \
    X(UNITS, "units", "ITEXD_UNITS")                                                                                   \
    X(LINES, "lines", "ITEXD_LINES")                                                                                   \
    X(OF, "of", "ITEXD_OF")

#define LOG_DECISION_FIELDS "decision uid pid job verdict mode recorded rule device"
#define LOG_DEVICE_FIELDS "device kind message"

/*
 * Constant; name; variant; message id; level; keys of the fields, in order; message.
 * In a message {KEY} is the field's value, and a part in [] is left out where a field named in it has none.
 */
#define LOG_EVENTS(X)                                                                                                  \
    X(STARTED, "started", "", "367e6763e53c4fe6a771af8afa1ed4c2", LOG_NOTICE, "version socket database rules",         \
      "itexd {version} serves at {socket}, with rules {rules} and database {database}")                                \
    X(STOPPING, "stopping", "", "21a8eef1f4924630b918af81c600254a", LOG_NOTICE, "why unanswered",                      \
      "itexd is stopping: {why}; {unanswered} requests are answered first")                                            \
    X(STOP_TIMEOUT, "stop-timeout", "", "83c2b3dabf674c62ada20fd223069d8c", LOG_WARNING, "unanswered",                 \
      "itexd ends with {unanswered} requests unanswered")                                                              \
    X(STOPPED, "stopped", "", "4064f077abb4446aac8ad476b96059fd", LOG_NOTICE, "status",                                \
      "itexd has ended with status {status}")                                                                          \
    X(FEW_DESCRIPTORS, "few-descriptors", "", "5a9fbb98e4ac4af381f15a877ad885c9", LOG_WARNING, "limit connections",    \
      "itexd may open only {limit} descriptors, too few for {connections} connections")                                \
    X(NO_GROUP, "no-group", "", "61ccca6c62424c5db5e9a9f7be3f4d76", LOG_WARNING, "group message",                      \
      "There is no group {group}: {message}")                                                                          \
    X(NO_SPAWNER, "no-spawner", "", "fb6b7303046b42c086593aa9ea4ade50", LOG_ERROR, "message",                          \
      "The process that starts the children cannot be started: {message}")                                             \
    X(DEVICES_UNUSABLE, "devices-unusable", "", "4bb8500c1f73494ebc61ce0bec4cf643", LOG_ERROR, "message",              \
      "Devices cannot be managed: {message}")                                                                          \
    X(SOCKET_UNUSABLE, "socket-unusable", "", "689def2e908249dab3d142c38440399d", LOG_ERROR, "message",                \
      "The socket cannot be had: {message}")                                                                           \
    X(METRICS, "metrics", "", "b1c0a9f2c7e7421c8b9a4f0c6d3e58d7", LOG_NOTICE, "socket",                                \
      "Metrics are given out at {socket}")                                                                             \
    X(BACKUP, "backup", "", "7b4755d1c4be47499a2e17ae5ca98289", LOG_NOTICE, "uid",                                     \
      "A backup for uid {uid} is complete")                                                                            \
    X(BACKUP_FAILED, "backup-failed", "", "6bf49051fce444bca837d366b36d5030", LOG_ERROR, "uid message",                \
      "A backup for uid {uid} failed: {message}")                                                                      \
    X(LOG_LIMITED, "log-limited", "", "7f7ae1b44a7343d7a67bbee989fe9cc8", LOG_NOTICE, "lines of",                      \
      "{lines} entries of {of} were left out: more come than are logged")                                              \
    X(LOG_DROPPED, "log-dropped", "", "d58db064983d49d48f2532501ac6e85c", LOG_WARNING, "lines of",                     \
      "{lines} entries of {of} were lost: the log was not read fast enough")                                           \
    X(DATABASE_UNUSABLE, "database-unusable", "", "00d5d0bf9e724accb6d190f7e789cc39", LOG_ERROR, "path message",       \
      "The database {path} cannot be used: {message}")                                                                 \
    X(DATABASE_MOVED_ASIDE, "database-moved-aside", "", "406b109841e74ff9b99dc7740edc2fad", LOG_ERROR,                 \
      "path kept message", "{message}: {path}, kept as {kept}")                                                        \
    X(RECORDING_STOPPED, "recording-stopped", "", "ef3a996e814e4c3388e070752af1a0ce", LOG_ERROR, "message",            \
      "Decisions are not recorded: {message}")                                                                         \
    X(RECORDING_RESUMED, "recording-resumed", "", "b5324190441144ddbcc6b86d425d6e85", LOG_NOTICE, "path",              \
      "Decisions are recorded again in {path}")                                                                        \
    X(RULES_MISTAKE, "rules-mistake", "", "7fd9ccf36326411baa9aba1fd59ca971", LOG_ERROR, "message",                    \
      "Mistake in the rules: {message}")                                                                               \
    X(RULES_WARNING, "rules-warning", "", "10f10c4ce60c4650aeb6d1d42013220a", LOG_WARNING, "message",                  \
      "Warning about the rules: {message}")                                                                            \
    X(NO_RULES, "no-rules", "", "3a7b609097f943c4a2c065c9ee9b102f", LOG_ERROR, "message",                              \
      "itexd cannot start: {message}")                                                                                 \
    X(RULES_ACTIVE, "rules-active", "", "02ca51ec782c4c81a67576d410694ee9", LOG_NOTICE, "id name digest origin",       \
      "Rule set {name} ({origin}, {digest}) is in force[ as number {id}]")                                             \
    X(RULES_WAITING, "rules-waiting", "", "fbfec6c9ff48449aab0c74912a05f2c8", LOG_NOTICE, "id name digest",            \
      "Shipped rule set {name} ({digest}) waits as number {id} for being activated")                                   \
    X(RULES_UNCHANGED, "rules-unchanged", "", "c12f0c0173684ad484c598e3882814de", LOG_WARNING, "uid why",              \
      "The rules stay as they were, which uid {uid} wanted to change: {why}")                                          \
    X(RELOADED, "reloaded", "", "7c66971f95ba41b79b132e82afd94cdd", LOG_NOTICE, "uid",                                 \
      "The configuration was read again, asked for by uid {uid}")                                                      \
    X(RELOAD_PARTIAL, "reload-partial", "", "a20a349ebbce4bc2a5de54dae979052e", LOG_WARNING, "option message",         \
      "The new value of {option} {message}")                                                                           \
    X(RELOAD_MISTAKE, "reload-mistake", "", "f7e4f9096e664cc7b4e656b6e6c2c1b8", LOG_ERROR, "message",                  \
      "The configuration was not reloaded: {message}")                                                                 \
    X(RELOAD_SKIPPED, "reload-skipped", "", "e9188db31ad24b3ab6c41ffd1e8b8468", LOG_WARNING, "why",                    \
      "The configuration was not reloaded: {why}")                                                                     \
    X(HELLO, "hello", "", "79689a1b78e14e6da57ccd7190588a83", LOG_DEBUG, "uid pid client",                             \
      "Client {client} of uid {uid} (pid {pid}) has connected")                                                        \
    X(REFUSED, "refused", "", "7d872299ace04db7b1abd130c8dbf65e", LOG_DEBUG, "uid pid why",                            \
      "A request of uid {uid} (pid {pid}) was refused: {why}")                                                         \
    X(PEER_CLOSED, "peer-closed", "", "1c55d4968c364bdabd0696cbd4251673", LOG_INFO, "uid pid why",                     \
      "The connection of uid {uid} (pid {pid}) was closed: {why}")                                                     \
    X(CONNECTION_REFUSED, "connection-refused", "", "5fa7477c2a934d00b1d7c870e5abf15a", LOG_NOTICE,                    \
      "uid pid limit since-last",                                                                                      \
      "A connection of uid {uid} (pid {pid}) was refused, for there are {limit} already; {since-last} since this was " \
      "last said")                                                                                                     \
    X(PEER_NOT_ACCEPTED, "peer-not-accepted", "", "6e80b649dcbe4bb8916c6fbfdc917947", LOG_WARNING, "why",              \
      "A connection could not be taken: {why}")                                                                        \
    X(ACCEPT_PAUSED, "accept-paused", "", "501a205249b64c2d9a015e3ad29ba757", LOG_WARNING, "why ms",                   \
      "Connections are not taken for {ms} ms: {why}")                                                                  \
    X(DECISION_OK, "decision", "ok", "39696d1bec3141a2bf9db4ebaebcea82", LOG_INFO, LOG_DECISION_FIELDS,                \
      "Job[ {job}] of uid {uid} (pid {pid}) runs as it is[, mode {mode}][, on {device}][, rules {rule}][ (decision "   \
      "{decision})]")                                                                                                  \
    X(DECISION_FIXED, "decision", "fixed", "25443752e54146b588fe3d5c0cd25719", LOG_INFO, LOG_DECISION_FIELDS,          \
      "Job[ {job}] of uid {uid} (pid {pid}) runs with changes[, mode {mode}][, on {device}][, rules {rule}][ "         \
      "(decision {decision})]")                                                                                        \
    X(DECISION_ADVISED, "decision", "advised", "123846259d494282a5399b3550b0819c", LOG_INFO, LOG_DECISION_FIELDS,      \
      "Job[ {job}] of uid {uid} (pid {pid}) was given advice[, mode {mode}][, on {device}][, rules {rule}][ "          \
      "(decision {decision})]")                                                                                        \
    X(DECISION_REJECTED, "decision", "rejected", "4d8acc8d8ea44603854ac530b990f200", LOG_NOTICE, LOG_DECISION_FIELDS,  \
      "Job[ {job}] of uid {uid} (pid {pid}) was rejected[, rules {rule}][ (decision {decision})]")                     \
    X(DECISION_UNDELIVERED, "decision-undelivered", "", "2af6e871121f4df5b6d98d05a4c5cffe", LOG_NOTICE,                \
      "decision lease uid why",                                                                                        \
      "The offer of lease {lease} to a job of uid {uid} was not accepted: {why}[ (decision {decision})]")              \
    X(REPORT, "report", "", "31793f9fd6eb4f44b2f87e0b37bb0bc6", LOG_INFO, "decision uid pid job got recorded",         \
      "Job[ {job}] of uid {uid} (pid {pid}) got mode {got} (decision {decision})")                                     \
    X(MODE_MISMATCH, "mode-mismatch", "", "5aa0cc4d95c948eaaae8b90301f48569", LOG_WARNING,                             \
      "decision uid pid job promised got recorded",                                                                    \
      "Job[ {job}] of uid {uid} (pid {pid}) got mode {got} where {promised} was decided (decision {decision})")        \
    X(DEVICE_MISMATCH, "device-mismatch", "", "8a4739ea629742728797d5fd1d0932a3", LOG_WARNING,                         \
      "decision uid pid job promised got recorded",                                                                    \
      "Job[ {job}] of uid {uid} (pid {pid}) sees {got} devices where {promised} were leased (decision {decision})")    \
    X(LEASE_GRANTED, "lease-granted", "", "43fbff02406d4b9b95726ec4229d8a38", LOG_INFO, "lease uid job units device",  \
      "Lease {lease} was granted to[ job {job} of] uid {uid}: {device}")                                               \
    X(LEASE_RELEASED, "lease-released", "", "cb0386f3e86843f4adb8f89fbd411c19", LOG_INFO, "lease uid job why device",  \
      "Lease {lease} of[ job {job} of] uid {uid} has ended, {device} is free: {why}")                                  \
    X(LEASE_CUT, "lease-cut", "", "5c4ed97fadb6478c9229963812d20d1f", LOG_NOTICE, "lease uid job why device",          \
      "Lease {lease} of[ job {job} of] uid {uid} was ended early: {why}")                                              \
    X(DRAIN_TIMEOUT, "drain-timeout", "", "29ada4db3fab4395b17d999f162a06e2", LOG_WARNING, "lease uid message device", \
      "Lease {lease} of uid {uid}, {device}: {message}")                                                               \
    X(LEASES_WRITTEN, "leases-written", "", "0bb3242113f14517839218f832428ee0", LOG_NOTICE, "directory",               \
      "Leases are written to {directory} again")                                                                       \
    X(LEASES_NOT_WRITTEN, "leases-not-written", "", "0cdaabdefda3452ca3a9108d0c3e562f", LOG_ERROR,                     \
      "directory message", "No devices are leased, for leases cannot be written to {directory}: {message}")            \
    X(LEASES_NOT_READ, "leases-not-read", "", "d87e61d9994345cbb19081880a7bec2a", LOG_ERROR, "message why",            \
      "The leases of before cannot be read ({why}): {message}")                                                        \
    X(TOO_MANY_CARDS, "too-many-cards", "", "f45562f1f0094d5fabef1192f51f9433", LOG_WARNING, "cards limit",            \
      "The node has {cards} cards, of which {limit} are managed")                                                      \
    X(ACCESS_NOT_SET, "access-not-set", "", "788c1f57af874a4d9b89de72766def07", LOG_ERROR, "lease message",            \
      "Access to the devices of lease {lease} could not be set: {message}")                                            \
    X(KEEPER_UP, "keeper-up", "", "e4c9b119b8f042e3b18e21072737d863", LOG_INFO, "pid",                                 \
      "The keeper, which restricts access to devices, runs as pid {pid}")                                              \
    X(KEEPER_DOWN, "keeper-down", "", "6878032b8c94438c9ff5f57caa61237f", LOG_WARNING, "message",                      \
      "The keeper, which restricts access to devices, ended: {message}")                                               \
    X(WORKER_UP, "worker-up", "", "7aa99bbeefb54d448ab1cc789f186a67", LOG_INFO, "pid",                                 \
      "The device worker runs as pid {pid}")                                                                           \
    X(HOT_PLUG_UNHEARD, "hot-plug-unheard", "", "aaf2330498034c2fb9d9c2b7e36fc492", LOG_WARNING, "message why",        \
      "{message}: {why}")                                                                                              \
    X(DEVICES_NOT_KNOWN, "devices-not-known", "", "697351d12bf34dc893964e4beee8ce56", LOG_WARNING, "message",          \
      "{message}")                                                                                                     \
    X(INVENTORY_LOST, "inventory-lost", "", "ec47b43646e4419c8fb64df51f69b069", LOG_ERROR, "message",                  \
      "An inventory of the devices was not taken up: {message}")                                                       \
    X(SAMPLE_LOST, "sample-lost", "", "e3d32e0375ea4534b7d4148321460372", LOG_DEBUG, "message",                        \
      "A sample was not kept: {message}")                                                                              \
    X(DEVICE_NEW, "device", "new", "f89d226a50f24d35a65c5b33d2675ca0", LOG_NOTICE, LOG_DEVICE_FIELDS,                  \
      "Device {device} is there, for the first time: {message}")                                                       \
    X(DEVICE_BACK, "device", "back", "c8fd8c83ed3942309c590824cbc41d17", LOG_NOTICE, LOG_DEVICE_FIELDS,                \
      "Device {device} is there again: {message}")                                                                     \
    X(DEVICE_HEALTHY, "device", "healthy", "5ced24afe5c6467e9ffeae7e2888fb3d", LOG_NOTICE, LOG_DEVICE_FIELDS,          \
      "Device {device} is healthy: {message}")                                                                         \
    X(DEVICE_DEGRADED, "device", "degraded", "c4264188704c4cc9adf040b6e2ad5227", LOG_WARNING, LOG_DEVICE_FIELDS,       \
      "Device {device} is degraded: {message}")                                                                        \
    X(DEVICE_LOST, "device", "lost", "f8eca2cc6b9547e7b2ec9ef2eaee5f5b", LOG_WARNING, LOG_DEVICE_FIELDS,               \
      "Device {device} is lost: {message}")                                                                            \
    X(DEVICE_STALE, "device", "stale", "58595911412f49cf90c9b6a81eea24e0", LOG_WARNING, LOG_DEVICE_FIELDS,             \
      "Device {device} is not heard of: {message}")                                                                    \
    X(DEVICE_CHANGED, "device", "changed", "c7d4b0b3d56348db883e5ec040671b24", LOG_WARNING, LOG_DEVICE_FIELDS,         \
      "Device {device} is another one than before: {message}")                                                         \
    X(DEVICE_RENUMBERED, "device", "renumbered", "2c5531eca84c44fba77f23e97d79d62f", LOG_NOTICE, LOG_DEVICE_FIELDS,    \
      "Device {device} has another number: {message}")                                                                 \
    X(DEVICE_REPEATED, "device", "repeated", "a329ae72e35c4b5cb6c40bd8856009e0", LOG_WARNING, LOG_DEVICE_FIELDS,       \
      "Device {device} is reported twice: {message}")                                                                  \
    X(DEVICE_LEFT_OUT, "device", "left-out", "1cf2ec3906c74e6ebff22c8e1897d072", LOG_WARNING, LOG_DEVICE_FIELDS,       \
      "Device {device} is left out: {message}")                                                                        \
    X(DEVICE_DRAINED, "device", "drained", "c60ab72db25249d28b18da9fcf885b46", LOG_NOTICE, LOG_DEVICE_FIELDS,          \
      "Device {device} is drained: {message}")                                                                         \
    X(DEVICE_UNDRAINED, "device", "undrained", "b4558c098e5b4f8aa3c4ca3908e9c23b", LOG_NOTICE, LOG_DEVICE_FIELDS,      \
      "Device {device} is no longer drained: {message}")                                                               \
    X(DEVICE_RESET, "device", "reset", "f62a759b25d04ffba80cddc74cb03937", LOG_NOTICE, LOG_DEVICE_FIELDS,              \
      "Device {device} is reset: {message}")                                                                           \
    X(DEVICE_FOREIGN_USE, "device", "foreign-use", "20262cad711e427e8cfc4d76a7476ad3", LOG_NOTICE, LOG_DEVICE_FIELDS,  \
      "Device {device} is used without a lease: {message}")                                                            \
    X(DEVICE_FOREIGN_USE_ENDED, "device", "foreign-use-ended", "1ac7c3cf44304061a0b64dd4be7040a4", LOG_NOTICE,         \
      LOG_DEVICE_FIELDS, "Device {device} is used without a lease no longer: {message}")                               \
    X(DEVICE_DRIVER, "device", "driver", "235914ce84c04591a7aaae728ea73511", LOG_NOTICE, LOG_DEVICE_FIELDS,            \
      "Driver of the devices: {message}")                                                                              \
    X(DEVICE_NO_DEVICES, "device", "no-devices", "eed4ab203bb94d04a2e4a721c5089c85", LOG_NOTICE, LOG_DEVICE_FIELDS,    \
      "No devices: {message}")                                                                                         \
    X(DEVICE_NO_INVENTORY, "device", "no-inventory", "0a2baa333b384a2281a1a359b566c678", LOG_NOTICE,                   \
      LOG_DEVICE_FIELDS, "No inventory of the devices: {message}")                                                     \
    X(DEVICE_HOT_PLUG, "device", "hot-plug", "bef29f7b65284cc3a90db9290c7ba7d7", LOG_NOTICE, LOG_DEVICE_FIELDS,        \
      "Devices may have changed: {message}")                                                                           \
    X(DEVICE_WORKER_DOWN, "device", "worker-down", "79d4afb46c004826aaea3be40cc8edfe", LOG_WARNING, LOG_DEVICE_FIELDS, \
      "Device worker: {message}")                                                                                      \
    X(DEVICE_WORKER_GIVEN_UP, "device", "worker-given-up", "9f5f869c6b004e18bce170227440e8c7", LOG_WARNING,            \
      LOG_DEVICE_FIELDS, "Device worker: {message}")                                                                   \
    X(DEVICE_WORKER_STUCK, "device", "worker-stuck", "de9c5784ec84435c8aa8772d9247a857", LOG_WARNING,                  \
      LOG_DEVICE_FIELDS, "Device worker: {message}")                                                                   \
    X(DEVICE_WORKER_RESTART, "device", "worker-restart", "9a3613819aa44993b9ce4c838d57e4e9", LOG_NOTICE,               \
      LOG_DEVICE_FIELDS, "The device worker is started again: {message}")                                              \
    X(DEVICE_SYSMAN_OFF, "device", "sysman-off", "12dfa9c899034741bd3c84942387a98f", LOG_NOTICE, LOG_DEVICE_FIELDS,    \
      "Health of devices: {message}")                                                                                  \
    X(DEVICE_ENFORCEMENT_FAILED, "device", "enforcement-failed", "82d44954bb244c29bbf2e121c7e2a2fb", LOG_WARNING,      \
      LOG_DEVICE_FIELDS, "Access to devices: {message}")                                                               \
    X(DEVICE_KEEPER_GIVEN_UP, "device", "keeper-given-up", "6e6de287e5cc4e6f987813afd54c6da6", LOG_WARNING,            \
      LOG_DEVICE_FIELDS, "Keeper: {message}")

#define LOG_CONSTANT(constant, ...) FIELD_##constant,
enum log_field { LOG_FIELDS(LOG_CONSTANT) LOG_N_FIELDS };
#undef LOG_CONSTANT
#define LOG_CONSTANT(constant, ...) EVENT_##constant,
enum log_event { LOG_EVENTS(LOG_CONSTANT) LOG_N_EVENTS };
#undef LOG_CONSTANT

struct log_event_row {
    const char *name, *variant, *id, *fields, *message;
    enum log_level level;
};
extern const struct log_event_row log_events[LOG_N_EVENTS];

struct log_field_row {
    const char *key, *journal;
};
extern const struct log_field_row log_field_rows[LOG_N_FIELDS];

#endif
