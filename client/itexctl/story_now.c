/* What the rule set in force today makes of an old decision: see story.h. */
#include "client/itexctl/itexctl.h"
#include "client/itexctl/story.h"
#include "client/itexctl/words.h"
#include "proto/cleanup.h"

#include <inttypes.h>
#include <string.h>

static bool same(const char *left, const char *right)
{
    return left && right ? strcmp(left, right) == 0 : left == right;
}

static bool holds(const Itexd__V1__Outcome *outcome, const char *rule)
{
    for (size_t i = 0; i < outcome->n_diagnostics; i++)
        if (same(outcome->diagnostics[i]->rule, rule))
            return true;
    return false;
}

/* The rules of `of` that do not hold in `in`, in one line; nothing where there are none. */
static void tell_rules_only_in(const struct printer *printer, const char *label, const Itexd__V1__Outcome *of,
                               const Itexd__V1__Outcome *in)
{
    CLEANUP(freep) char **rules = calloc(of->n_diagnostics + 1, sizeof(*rules));
    size_t n = 0;
    for (size_t i = 0; rules && i < of->n_diagnostics; i++)
        if (of->diagnostics[i]->rule && !holds(in, of->diagnostics[i]->rule))
            rules[n++] = of->diagnostics[i]->rule;
    CLEANUP(freep) char *text = n > 0 ? join_words(rules, n) : NULL;
    if (text)
        print_field(printer, label, text);
}

static bool same_changes(const Itexd__V1__Outcome *then, const Itexd__V1__Outcome *now)
{
    bool same_all = then->n_env == now->n_env && then->n_obligations == now->n_obligations;
    for (size_t i = 0; same_all && i < then->n_env; i++)
        same_all = same(then->env[i]->name, now->env[i]->name) && same(then->env[i]->value, now->env[i]->value);
    for (size_t i = 0; same_all && i < then->n_obligations; i++)
        same_all = same(then->obligations[i], now->obligations[i]);
    return same_all;
}

static bool same_rules(const Itexd__V1__Outcome *then, const Itexd__V1__Outcome *now)
{
    bool same_all = then->n_diagnostics == now->n_diagnostics;
    for (size_t i = 0; same_all && i < then->n_diagnostics; i++)
        same_all = holds(now, then->diagnostics[i]->rule);
    return same_all;
}

static void tell_difference(const struct printer *printer, const Itexd__V1__Outcome *then,
                            const Itexd__V1__Outcome *now)
{
    bool same_verdict = same(then->verdict, now->verdict) && same(then->mode, now->mode);
    if (same_verdict && same_changes(then, now) && same_rules(then, now)) {
        print_paragraph(printer, 2, "The same would be decided.");
        return;
    }
    print_fieldf(printer, "verdict", "%s, mode %s%s", now->verdict ? now->verdict : "?",
                 now->mode ? now->mode : "not reached", same_verdict ? ", as it was" : "");
    if (!same_changes(then, now)) {
        if (now->n_env == 0 && now->n_obligations == 0)
            print_field(printer, "environment", "no changes");
        print_changes(printer, "environment", now->env, now->n_env);
        print_obligations(printer, "job's part", now->obligations, now->n_obligations);
    }
    tell_rules_only_in(printer, "holds now", now, then);
    tell_rules_only_in(printer, "no longer", then, now);
}

void tell_now(const struct printer *printer, const Itexd__V1__Decision *decision, const struct story_extras *extras)
{
    const Itexd__V1__RuleSetName *in_force = extras->in_force;
    if (!extras->now || !in_force)
        return;
    CLEANUP(freep) char *heading = NULL;
    if (asprintf(&heading, "What set %" PRIu64 ", %s, in force now, would decide", in_force->id,
                 in_force->name ? in_force->name : "unnamed") < 0)
        return;
    fputc('\n', printer->out);
    print_heading(printer, TONE_BOLD, heading);
    tell_difference(printer, decision->outcome, extras->now);
}
