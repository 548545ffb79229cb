/* How a replay is told: see report.h. */
#include "client/itexctl/replay/report.h"
#include "client/itexctl/itexctl.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define GROUPS_SHOWN 10 /* of a change, in text */

/* ---- Text --------------------------------------------------------------------------------------------- */

static const char *change_words(enum change change)
{
    static const char *const words[CHANGES] = {
        [CHANGE_REJECTED] = "would be rejected, and were not",
        [CHANGE_UNREJECTED] = "would no longer be rejected",
        [CHANGE_VERDICT] = "would have another verdict",
        [CHANGE_MODE] = "would run in another mode",
        [CHANGE_PREDICTED] = "of which another outcome would be foreseen",
        [CHANGE_ENVIRONMENT] = "would have other variables set",
        [CHANGE_OBLIGATIONS] = "would have to do something else themselves",
        [CHANGE_RULES] = "would only be told of other rules",
    };
    return words[change];
}

static void write_blame(FILE *out, const struct tally_group *group)
{
    if (!group->rules[0])
        return;
    switch (group->how) {
    case BLAME_BY:
        fprintf(out, ", by %s", group->rules);
        break;
    case BLAME_WITHOUT:
        fprintf(out, ", without %s", group->rules);
        break;
    case BLAME_OTHERWISE:
        fprintf(out, ", with %s as before", group->rules);
        break;
    case BLAME_NONE:
        break;
    }
}

static void print_examples(const struct tally_example *examples, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char time[TIME_TEXT_SIZE];
        print_linef("      decision %" PRIu64 ", uid %u%s%.80s, %s", examples[i].decision, examples[i].uid,
                    examples[i].job ? ", job " : "", examples[i].job ? examples[i].job : "",
                    time_text(examples[i].time_ms, time));
    }
}

static void write_group(FILE *out, const struct tally_group *group)
{
    if (group->change == CHANGE_RULES)
        fputs("the same otherwise", out);
    else if (group->from[0] && group->to[0])
        fprintf(out, "%s -> %s", group->from, group->to);
    else if (group->to[0])
        fprintf(out, "now %s", group->to);
    else
        fprintf(out, "no longer %s", group->from);
    write_blame(out, group);
}

static void print_group(const struct tally_group *group)
{
    CLEANUP(freep) char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return;
    write_group(out, group);
    if (fclose(out) == 0)
        print_linef("    %" PRIu64 ": %s", group->decisions, text);
    print_examples(group->examples, group->n_examples);
}

static void print_change(const struct tally *tally, enum change change)
{
    size_t shown = 0, left_out = 0;
    if (tally->changed[change] == 0)
        return;
    putchar('\n');
    print_linef("  %" PRIu64 " %s", tally->changed[change], change_words(change));
    for (size_t i = 0; i < tally->n_groups; i++) {
        if (tally->groups[i].change != change)
            continue;
        if (shown++ < GROUPS_SHOWN)
            print_group(&tally->groups[i]);
        else
            left_out++;
    }
    if (left_out > 0)
        print_linef("    and %zu more kinds; --json has them", left_out);
}

static void print_not_replayed(const struct tally *tally)
{
    if (tally_not_replayed(tally) == 0)
        return;
    putchar('\n');
    print_linef("  %" PRIu64 " could not be replayed", tally_not_replayed(tally));
    for (size_t i = 0; i < tally->n_reasons; i++) {
        print_linef("    %" PRIu64 ": %s", tally->reasons[i].decisions, tally->reasons[i].why);
        print_examples(tally->reasons[i].examples, tally->reasons[i].n_examples);
    }
}

static void print_head(const struct report *report, const struct tally *tally)
{
    char first[TIME_TEXT_SIZE], last[TIME_TEXT_SIZE];
    if (report->verify)
        print_linef("Each decision under the rule set that it was made by, against what was decided");
    else
        print_linef("%s, against %s", report->to, report->from);
    if (!report->complete)
        print_linef("INTERRUPTED after %" PRIu64 " of %" PRIu64 " decisions: what follows is of these, the newest",
                    report->looked, report->total);
    if (tally->decisions > 0)
        print_linef("%" PRIu64 " decisions from %s to %s, replayed in %.1f s", tally->decisions,
                    time_text(report->first_ms, first), time_text(report->last_ms, last),
                    (double)report->took_ms / 1000);
    else
        print_linef("no decision matches");
    putchar('\n');
}

int report_text(const struct report *report, const struct tally *tally)
{
    print_head(report, tally);
    if (tally->decisions == 0)
        return 0;
    print_linef("  %" PRIu64 " would be rejected, and were not", tally->changed[CHANGE_REJECTED]);
    print_linef("  %" PRIu64 " would run in another mode", tally->changed[CHANGE_MODE]);
    print_linef("  %" PRIu64 " unchanged", tally->unchanged);
    for (int change = 0; change < CHANGES; change++)
        print_change(tally, (enum change)change);
    if (tally->ungrouped > 0) {
        putchar('\n');
        print_linef("  %" PRIu64 " changes of further kinds were only counted", tally->ungrouped);
    }
    print_not_replayed(tally);
    return 0;
}

/* ---- JSON --------------------------------------------------------------------------------------------- */

/* Adding to NULL and adding NULL are both harmless to json-c; what is missing for want of memory shows as null. */
static void add_number(struct json_object *object, const char *key, uint64_t number)
{
    json_object_object_add(object, key, json_object_new_uint64(number));
}

static struct json_object *json_examples(const struct tally_example *examples, size_t n)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < n; i++) {
        char time[TIME_TEXT_SIZE];
        struct json_object *item = json_object_new_object();
        add_number(item, "decision", examples[i].decision);
        json_object_object_add(item, "job", json_text(examples[i].job));
        add_number(item, "uid", examples[i].uid);
        json_object_object_add(item, "time", json_text(time_text(examples[i].time_ms, time)));
        json_object_array_add(list, item);
    }
    return list;
}

static struct json_object *json_rule_names(const char *rules)
{
    struct json_object *list = json_object_new_array();
    for (const char *at = rules; *at;) {
        size_t size = strcspn(at, ",");
        json_object_array_add(list, json_object_new_string_len(at, (int)size));
        at += size;
        at += strspn(at, ", ");
    }
    return list;
}

static struct json_object *json_group(const struct tally_group *group)
{
    struct json_object *item = json_object_new_object();
    json_object_object_add(item, "change", json_text(change_name(group->change)));
    json_object_object_add(item, "from", json_text(group->from));
    json_object_object_add(item, "to", json_text(group->to));
    json_object_object_add(item, "rules", json_rule_names(group->rules));
    json_object_object_add(item, "how", json_text(group->rules[0] ? blame_name(group->how) : NULL));
    add_number(item, "decisions", group->decisions);
    json_object_object_add(item, "examples", json_examples(group->examples, group->n_examples));
    return item;
}

static struct json_object *json_changes(const struct tally *tally)
{
    struct json_object *object = json_object_new_object();
    for (int change = 0; change < CHANGES; change++)
        add_number(object, change_name((enum change)change), tally->changed[change]);
    return object;
}

static struct json_object *json_not_replayed(const struct tally *tally)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < tally->n_reasons; i++) {
        struct json_object *item = json_object_new_object();
        json_object_object_add(item, "why", json_text(tally->reasons[i].why));
        add_number(item, "decisions", tally->reasons[i].decisions);
        json_object_object_add(item, "examples",
                               json_examples(tally->reasons[i].examples, tally->reasons[i].n_examples));
        json_object_array_add(list, item);
    }
    return list;
}

int report_json(const struct report *report, const struct tally *tally)
{
    char first[TIME_TEXT_SIZE], last[TIME_TEXT_SIZE], seconds[32];
    struct json_object *object = json_object_new_object(), *groups = json_object_new_array();
    if (!object || !groups)
        return -ENOMEM;
    json_object_object_add(object, "rules", json_text(report->to));
    json_object_object_add(object, "digest", json_text(report->to_digest));
    json_object_object_add(object, "against", json_text(report->from));
    json_object_object_add(object, "complete", json_object_new_boolean(report->complete));
    add_number(object, "decisions", tally->decisions);
    json_object_object_add(object, "oldest", report->first_ms ? json_text(time_text(report->first_ms, first)) : NULL);
    json_object_object_add(object, "newest", report->last_ms ? json_text(time_text(report->last_ms, last)) : NULL);
    add_number(object, "replayed", tally->replayed);
    add_number(object, "unchanged", tally->unchanged);
    json_object_object_add(object, "changed", json_changes(tally));
    for (size_t i = 0; i < tally->n_groups; i++)
        json_object_array_add(groups, json_group(&tally->groups[i]));
    json_object_object_add(object, "groups", groups);
    add_number(object, "ungrouped", tally->ungrouped);
    json_object_object_add(object, "not_replayed", json_not_replayed(tally));
    snprintf(seconds, sizeof(seconds), "%.3f", (double)report->took_ms / 1000);
    json_object_object_add(object, "seconds", json_object_new_double_s((double)report->took_ms / 1000, seconds));
    return json_print(stdout, object);
}

/* ---- CSV ---------------------------------------------------------------------------------------------- */

static void put_csv(const char *text, char end)
{
    text = text ? text : "";
    bool quoted = text[strcspn(text, ",\"\r\n")] != '\0';
    if (quoted)
        putchar('"');
    for (; *text; text++) {
        if (*text == '"')
            putchar('"');
        putchar(*text);
    }
    if (quoted)
        putchar('"');
    if (end == '\n')
        putchar('\r');
    putchar(end);
}

void report_csv_row(const struct engine_row *row, unsigned changes, bool first)
{
    char time[TIME_TEXT_SIZE];
    const char *separator = "";
    enum change first_change = CHANGE_REJECTED; /* the weightiest */
    while (!(changes & 1u << first_change))
        first_change++;
    const struct blame blame = result_blame(first_change, row->from, row->to);
    CLEANUP(freep) char *rules = blame_rules(&blame, " ");
    if (first)
        fputs("decision,time,uid,job,changes,rules,how,verdict_from,verdict_to,mode_from,mode_to,predicted_mode_from,"
              "predicted_mode_to,predicted_outcome_from,predicted_outcome_to\r\n",
              stdout);
    printf("%" PRIu64 ",%s,%u,", row->row->id, time_text(row->row->time_ms, time), row->row->uid);
    put_csv(row->row->job, ',');
    for (int change = 0; change < CHANGES; change++) {
        if (!(changes & 1u << change))
            continue;
        printf("%s%s", separator, change_name((enum change)change));
        separator = " ";
    }
    putchar(',');
    put_csv(rules, ',');
    put_csv(blame_name(blame.how), ',');
    put_csv(row->from->verdict, ',');
    put_csv(row->to->verdict, ',');
    put_csv(row->from->mode, ',');
    put_csv(row->to->mode, ',');
    put_csv(row->from->predicted_mode, ',');
    put_csv(row->to->predicted_mode, ',');
    put_csv(row->from->predicted_outcome, ',');
    put_csv(row->to->predicted_outcome, '\n');
}
