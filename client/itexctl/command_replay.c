/*
 * itexctl replay: what would have become of past decisions under other rules.
 *
 * Decisions are resolved here; the service only reads them. It gives way to jobs: this process runs at a lower
 * priority, and the service reads in short slices.
 */
#include "client/itexctl/query.h"
#include "client/itexctl/replay/engine.h"
#include "client/itexctl/replay/progress.h"
#include "client/itexctl/replay/report.h"
#include "client/itexctl/rule_input.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#define DEFAULT_EXAMPLES 3
#define NICE 10

struct replay_values {
    struct query_values query; /* first: the options of query fill it */
    struct text_list rules;
    const char *against, *fail_on;
    int64_t examples, timeout;
    bool verify;
};

/* ---- ctrl-C --------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t interrupted;

static void on_signal(int signal)
{
    interrupted = signal;
}

/* The first ends the replay, with what was found so far; a second one ends the process. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* As the shell expects of what was interrupted. */
static void end_by_signal(void)
{
    fflush(stdout);
    signal(interrupted, SIG_DFL);
    raise(interrupted);
}

/* ---- The rules ---------------------------------------------------------------------------------------------- */

/* One side's rules, and what it is called. */
struct side {
    struct rules *rules; /* NULL: what was decided, or each decision's own */
    char name[256];
};

static void side_clear(struct side *side)
{
    rules_free(side->rules);
}

static void name_set(struct side *side, const Itexd__V1__RuleSetInfo *info)
{
    if (info && info->has_id)
        snprintf(side->name, sizeof(side->name), "rule set %" PRIu64 " (%.128s%s)", info->id,
                 info->name ? info->name : "unnamed", info->active ? ", active" : "");
    else
        snprintf(side->name, sizeof(side->name), "the rules in force");
}

/* id 0: the active one. */
static int fetch_side(struct connection *connection, uint64_t id, int64_t timeout_ms, struct side *side,
                      struct failure *failure)
{
    CLEANUP(rule_files_clear) struct rule_files files = RULE_FILES_INIT;
    Itexd__V1__RuleSetInfo *info = NULL;
    if (service_rule_files(connection, id, timeout_ms, &files, &info, failure) < 0)
        return -1;
    name_set(side, info);
    if (info)
        itexd__v1__rule_set_info__free_unpacked(info, NULL);
    return compile_rules(&files, &side->rules, failure);
}

static int read_side(const char *const *paths, size_t n_paths, struct side *side, struct failure *failure)
{
    CLEANUP(rule_files_clear) struct rule_files files = RULE_FILES_INIT;
    if (read_rule_files(paths, n_paths, &files, failure) < 0)
        return -1;
    snprintf(side->name, sizeof(side->name), "%.200s%s", paths[0], n_paths > 1 ? " and more" : "");
    return compile_rules(&files, &side->rules, failure);
}

/* A number is a set of the service, "active" the one in force, anything else files or folders. */
static int open_side(struct connection *connection, const char *const *items, size_t n_items, int64_t timeout_ms,
                     struct side *side, struct failure *failure)
{
    int64_t id = 0;
    if (n_items == 1 && (strcmp(items[0], "active") == 0 || number_parse(items[0], 1, INT64_MAX, &id)))
        return fetch_side(connection, (uint64_t)id, timeout_ms, side, failure);
    return read_side(items, n_items, side, failure);
}

/* ---- Running it ------------------------------------------------------------------------------------------- */

struct replay {
    const struct replay_values *values;
    struct report report;
    struct tally tally;
    struct progress progress;
    bool csv, any; /* any: a line was printed */
};

static void replay_clear(struct replay *replay)
{
    progress_end(&replay->progress);
    tally_clear(&replay->tally);
}

static int on_decision(void *data, const struct engine_row *row)
{
    struct replay *replay = data;
    const struct tally_example decision = {
        .decision = row->row->id, .time_ms = row->row->time_ms, .uid = row->row->uid, .job = row->row->job};
    if (replay->report.last_ms == 0)
        replay->report.last_ms = row->row->time_ms;
    replay->report.first_ms = row->row->time_ms;
    if (row->why)
        return tally_add_not_replayed(&replay->tally, &decision, row->why);
    unsigned changes = row->from == row->to ? 0 : result_compare(row->from, row->to);
    if (replay->csv && changes != 0) {
        report_csv_row(row, changes, !replay->any);
        replay->any = true;
    }
    return tally_add(&replay->tally, &decision, row->from, row->to, changes);
}

static bool on_progress(void *data, uint64_t done, uint64_t total)
{
    struct replay *replay = data;
    replay->report.looked = done;
    replay->report.total = total;
    progress_set(&replay->progress, done, total);
    return interrupted || ferror(stdout);
}

static int tell(struct replay *replay)
{
    const struct context *context = replay->report.context;
    tally_sort(&replay->tally);
    if (context->json)
        return report_json(&replay->report, &replay->tally);
    if (!replay->csv)
        return report_text(&replay->report, &replay->tally);
    note("%" PRIu64 " decisions, %" PRIu64 " unchanged, %" PRIu64 " newly rejected, %" PRIu64
         " in another mode, %" PRIu64 " not replayed%s",
         replay->tally.decisions, replay->tally.unchanged, replay->tally.changed[CHANGE_REJECTED],
         replay->tally.changed[CHANGE_MODE], tally_not_replayed(&replay->tally),
         replay->report.complete ? "" : "; interrupted");
    return 0;
}

/* What --fail-on asks for. */
static int status_of(const struct replay *replay)
{
    const struct tally *tally = &replay->tally;
    const char *word = replay->values->fail_on;
    bool negative = tally->decides > 0;
    if (replay->values->verify || (word && strcmp(word, "any") == 0))
        negative = tally->unchanged < tally->decisions;
    if (word && strcmp(word, "rejected") == 0)
        negative = tally->changed[CHANGE_REJECTED] > 0;
    if (word && strcmp(word, "never") == 0)
        negative = false;
    return negative ? EXIT_NEGATIVE : EXIT_DONE;
}

static int run_engine(struct replay *replay, struct connection *connection, const struct engine_sides *sides,
                      Itexd__V1__Query *query, struct failure *failure)
{
    const struct engine_callbacks callbacks = {replay, on_decision, on_progress};
    uint64_t began = clock_steady_ms();
    setpriority(PRIO_PROCESS, 0, NICE); /* jobs on this node go first; where it is refused, it is refused */
    catch_signals();
    progress_begin(&replay->progress, "replaying");
    int r = engine_run(replay->report.context, connection, query, sides, &callbacks,
                       replay->values->timeout > 0 ? replay->values->timeout : ADMIN_TIMEOUT_MS,
                       &replay->report.complete, failure);
    progress_end(&replay->progress);
    replay->report.took_ms = clock_steady_ms() - began;
    return r;
}

static int check_values(const struct replay_values *values, const struct operands *operands, struct failure *failure)
{
    if (values->verify && (values->rules.n_items > 0 || values->against || operands->n_items > 0))
        return failure_set(failure, EXIT_USAGE,
                           "--verify replays each decision under its own rule set; --rules and --against do not go "
                           "with it");
    if (!values->verify && values->rules.n_items + (size_t)operands->n_items == 0)
        return failure_set(failure, EXIT_USAGE,
                           "which rules are to be tried? --rules takes files, a folder, or a rule set's number");
    return 0;
}

/* --rules may be followed by several files, as a shell writes them for *.yaml. */
static int open_sides(const struct replay_values *values, const struct operands *operands,
                      struct connection *connection, struct side *to, struct side *from, struct failure *failure)
{
    int64_t timeout = values->timeout > 0 ? values->timeout : ADMIN_TIMEOUT_MS;
    size_t n = values->rules.n_items + (size_t)operands->n_items;
    CLEANUP(freep) const char **items = calloc(n + 1, sizeof(*items));
    if (!items)
        return failure_set(failure, EXIT_INTERNAL, "out of memory");
    for (size_t i = 0; i < n; i++)
        items[i] = i < values->rules.n_items ? values->rules.items[i] : operands->items[i - values->rules.n_items];
    if (!values->verify && open_side(connection, items, n, timeout, to, failure) < 0)
        return -1;
    if (!values->against || strcmp(values->against, "stored") == 0)
        return 0;
    return open_side(connection, &values->against, 1, timeout, from, failure);
}

static int replay_run(struct context *context, const struct operands *operands)
{
    const struct replay_values *values = context->values;
    CLEANUP(connection_freep) struct connection *connection = NULL;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    CLEANUP(side_clear) struct side to = {.name = "each decision's own rule set"};
    CLEANUP(side_clear) struct side from = {.name = "what was decided"};
    CLEANUP(replay_clear) struct replay replay = {.values = values, .csv = strcmp(context->format, "csv") == 0};
    Itexd__V1__Query query = ITEXD__V1__QUERY__INIT;
    if (check_values(values, operands, &failure) < 0 || query_build(&values->query, &query, &failure) < 0 ||
        service_open(context, &connection, &failure) < 0 ||
        open_sides(values, operands, connection, &to, &from, &failure) < 0)
        return failure_report(&failure);
    replay.tally.examples = values->examples < 0 ? DEFAULT_EXAMPLES : (size_t)values->examples;
    replay.report = (struct report){.context = context, .verify = values->verify, .to = to.name, .from = from.name};
    replay.report.to_digest = to.rules ? rules_digest(to.rules) : NULL;
    const struct engine_sides sides = {.to = to.rules, .from = from.rules};
    if (run_engine(&replay, connection, &sides, &query, &failure) < 0)
        return failure_report(&failure);
    if (tell(&replay) < 0)
        return fail(EXIT_INTERNAL, "cannot print the result: out of memory");
    if (interrupted)
        end_by_signal();
    return status_of(&replay);
}

static const char *const fail_words[] = {"mode", "rejected", "any", "never", NULL};
static const struct option_def options[] = {
    {"rules", OPTION_LIST, offsetof(struct replay_values, rules), "RULES",
     "what to try: rule files, a folder of them, a rule set's number, or active"},
    {"against", OPTION_TEXT, offsetof(struct replay_values, against), "RULES",
     "compare with what these rules make of it; default: stored, what was decided"},
    {"verify", OPTION_FLAG, offsetof(struct replay_values, verify), NULL,
     "replay each decision under the rule set that it was made by: nothing may differ"},
    {"examples", OPTION_NUMBER, offsetof(struct replay_values, examples), "N",
     "decisions to name of each kind of change; default 3", NULL, 0, 1000},
    {"fail-on", OPTION_CHOICE, offsetof(struct replay_values, fail_on), "WORD",
     "exit with 1 on: mode (or verdict; the default), rejected (newly), any change, never", fail_words},
    {"timeout", OPTION_DURATION, offsetof(struct replay_values, timeout), "T",
     "wait that long for each answer; default 60s", NULL, 1},
};
static const char *const formats[] = {"text", "json", "csv", NULL};
static const struct option_group groups[] = {
    {"Options", options, LENGTH(options), NULL},
    {"Which decisions, of whom, and when; by default all", query_who, LENGTH(query_who), NULL},
    {"What was decided, and what came of it", query_what, LENGTH(query_what), NULL},
};

const struct command command_replay = {
    .name = "replay",
    .summary = "resolve past decisions again under other rules",
    .usage = "--rules RULES [OPTION...]",
    .formats = formats,
    .groups = groups,
    .n_groups = LENGTH(groups),
    .values_size = sizeof(struct replay_values),
    .run = replay_run,
};
