/*
 * The reference of a rule set as Markdown, made from the rules themselves: nothing in it can disagree with them.
 * itexctl rules reference prints it, and a test compares docs/rules.md with that.
 */
#include "daemon/resolver/facts.h"
#include "daemon/rules/rule_records.h"

#include <errno.h>
#include <string.h>

static const char *const generation_words[] = {
    [GENERATION_2_14] = "2.14 and older", [GENERATION_2_15] = "2.15.0.x", [GENERATION_NEWEST] = "newest"};

/* What Markdown would take for a sign is written as itself. */
static void put_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            fputs("\n\n", out);
        else if (strchr("\\`*<>[]|#", *text))
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

static void put_generations(FILE *out, unsigned bits)
{
    unsigned all = 1u << GENERATION_2_14 | 1u << GENERATION_2_15 | 1u << GENERATION_NEWEST;
    const char *comma = "";

    if (bits == all) {
        fputs("all", out);
        return;
    }
    for (unsigned i = GENERATION_2_14; i <= GENERATION_NEWEST; i++) {
        if (bits & 1u << i) {
            fprintf(out, "%s%s", comma, generation_words[i]);
            comma = ", ";
        }
    }
}

static void put_condition(FILE *out, const struct rule_condition *condition)
{
    fprintf(out, "`%s` is %s", condition->fact, condition->negated ? "known and not " : "");
    for (size_t i = 0; i < condition->n_values; i++) {
        const char *value = condition->values[i];
        const char *between = i == 0 ? "" : i + 1 == condition->n_values ? " or " : ", ";
        fprintf(out, "%s`%s`", between, value);
    }
}

static void put_clause(FILE *out, const struct rule_clause *clause)
{
    for (size_t i = 0; i < clause->n_conditions; i++) {
        fputs(i ? ", " : "", out);
        put_condition(out, &clause->conditions[i]);
    }
}

static void put_clauses(FILE *out, const char *lead, const struct rule_clause *clauses, size_t n)
{
    if (n == 1) {
        fprintf(out, "- %s: ", lead);
        put_clause(out, clauses);
        fputc('\n', out);
    } else if (n > 1) {
        fprintf(out, "- %s one of these:\n", lead);
        for (size_t i = 0; i < n; i++) {
            fputs("  - ", out);
            put_clause(out, &clauses[i]);
            fputc('\n', out);
        }
    }
}

static void put_outcome(FILE *out, const struct rule_def *rule)
{
    static const char *const stages[] = {[STAGE_IMPORT] = "at import", [STAGE_RUN] = "while it runs"};

    fprintf(out, "- Severity %s", severity_name(rule->severity));
    if (rule->outcome != OUTCOME_OK)
        fprintf(out, "; left alone, the job's outcome is **%s**, %s", outcome_name(rule->outcome), stages[rule->stage]);
    for (size_t i = 0; i < rule->n_variants; i++) {
        fprintf(out, "; **%s**, %s, where ", outcome_name(rule->variants[i].outcome), stages[rule->variants[i].stage]);
        put_clause(out, &rule->variants[i].when);
    }
    fputc('\n', out);
}

static void put_action(FILE *out, const struct rule_action *action)
{
    switch (action->kind) {
    case ACTION_SET:
        fprintf(out, "`%s=%s`", action->name, action->value);
        break;
    case ACTION_UNSET:
        fprintf(out, "unset `%s`", action->name);
        break;
    case ACTION_XLA_FLAG:
        if (action->value)
            fprintf(out, "`--%s=%s` in `TF_XLA_FLAGS`", action->name, action->value);
        else
            fprintf(out, "`--%s` leaves `TF_XLA_FLAGS`", action->name);
        break;
    case ACTION_XLA_DROP_UNKNOWN:
        fputs("what TensorFlow does not know leaves `TF_XLA_FLAGS`", out);
        break;
    case ACTION_XLA_INLINE:
        fputs("`TF_XLA_FLAGS` becomes the text of the file it names", out);
        break;
    case ACTION_OBLIGATION:
        fprintf(out, "the job's own part: `%s`", action->name);
        break;
    }
}

static void put_actions(FILE *out, const struct rule_def *rule)
{
    for (size_t i = 0; i < rule->n_actions; i++) {
        fputs(i == 0 ? "- Solution: " : "; ", out);
        put_action(out, &rule->actions[i]);
        if (rule->actions[i].when.n_conditions > 0) {
            fputs(" (where ", out);
            put_clause(out, &rule->actions[i].when);
            fputc(')', out);
        }
    }
    if (rule->n_actions > 0)
        fputc('\n', out);
}

static void put_rule(FILE *out, const struct rule_def *rule)
{
    fprintf(out, "### %s\n\n", rule->id);
    put_text(out, rule->message);
    fputs("\n\n", out);
    put_outcome(out, rule);
    fputs("- ITEX generations: ", out);
    put_generations(out, rule->generations);
    fputc('\n', out);
    if (rule->service)
        fputs("- Issued by the service itself\n", out);
    put_clauses(out, "Holds where", rule->any, rule->n_any);
    put_clauses(out, "But not where", rule->unless, rule->n_unless);
    put_actions(out, rule);
    if (rule->solution) {
        fputs("- What to do: ", out);
        put_text(out, rule->solution);
        fputc('\n', out);
    }
    fputs("- Source: ", out);
    put_text(out, rule->source);
    fputs("\n\n", out);
}

static void put_overview(FILE *out, const struct rule_set_def *set)
{
    fputs("| rule | severity | outcome | generations |\n|---|---|---|---|\n", out);
    for (size_t i = 0; i < set->n_rules; i++) {
        const struct rule_def *rule = &set->rules[i];
        fprintf(out, "| [%s](#%s) | %s | %s | ", rule->id, rule->id, severity_name(rule->severity),
                outcome_name(rule->outcome));
        put_generations(out, rule->generations);
        fputs(" |\n", out);
    }
    fputc('\n', out);
}

static void put_rules(FILE *out, const struct rules *rules)
{
    const struct rule_file_record *file = NULL;

    for (size_t i = 0; i < rules->definitions.n_rules; i++) {
        if (rules->origins[i].file != file) {
            file = rules->origins[i].file;
            fputs("## ", out);
            put_text(out, file->title.text ? file->title.text : file->file);
            fprintf(out, "\n\nFile `%s`.\n\n", file->file);
        }
        put_rule(out, &rules->definitions.rules[i]);
    }
}

static void put_flags(FILE *out, const struct rule_set_def *set)
{
    static const char *const types[] = {[XLA_FLAG_BOOL] = "true or false",
                                        [XLA_FLAG_STRING] = "text",
                                        [XLA_FLAG_INT32] = "whole number, 32 bits",
                                        [XLA_FLAG_INT64] = "whole number, 64 bits",
                                        [XLA_FLAG_AUTO_JIT] = "whole number, fusible or single-gpu(N)"};

    if (set->n_xla_flags == 0)
        return;
    fputs("## Flags that TensorFlow knows in TF_XLA_FLAGS\n\n| flag | value | generations |\n|---|---|---|\n", out);
    for (size_t i = 0; i < set->n_xla_flags; i++) {
        fprintf(out, "| `--%s` | %s | ", set->xla_flags[i].name, types[set->xla_flags[i].type]);
        put_generations(out, set->xla_flags[i].generations);
        fputs(" |\n", out);
    }
}

int rules_write_reference(const struct rules *rules, FILE *out)
{
    fputs("# Rules reference: ", out);
    put_text(out, rules->definitions.name);
    fputs(
        "\n\nMade from the rule files; do not edit it. [rules-format.md](rules-format.md) says how rules are written,\n"
        "[facts.yaml](../db/rules/facts.yaml) what the facts mean. The order is the one in which rules are tried.\n\n",
        out);
    put_overview(out, &rules->definitions);
    put_rules(out, rules);
    put_flags(out, &rules->definitions);
    return ferror(out) ? -EIO : 0;
}
