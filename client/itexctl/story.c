/* explain's text: see story.h. Each part is one function; parts with nothing to tell are left out. */
#include "client/itexctl/story.h"
#include "client/itexctl/itexctl.h"
#include "client/itexctl/words.h"
#include "proto/cleanup.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* People remember "last Tuesday, after lunch". */
static const char *local_time(uint64_t ms, char text[TIME_TEXT_SIZE])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm broken;
    if (!localtime_r(&seconds, &broken) || strftime(text, TIME_TEXT_SIZE, "%A %H:%M %Z", &broken) == 0)
        return "?";
    return text;
}

/* Whether the rules have changed since. */
static void tell_rule_set(const struct printer *printer, const Itexd__V1__Decision *decision,
                          const struct story_extras *extras)
{
    const Itexd__V1__RuleSetName *set = decision->ruleset, *in_force = extras->in_force;
    if (!set)
        return;
    print_fieldf(printer, "rules", "set %" PRIu64 ", %s, digest %.12s, policy %s", set->id,
                 set->name ? set->name : "unnamed", set->digest ? set->digest : "?",
                 decision->policy ? decision->policy : "?");
    if (!in_force)
        return;
    if (in_force->id == set->id)
        print_field(printer, "", "The same set is in force now.");
    else
        print_fieldf(printer, "", "Now set %" PRIu64 ", %s, is in force%s", in_force->id,
                     in_force->name ? in_force->name : "unnamed",
                     extras->now ? "; see below." : "; explain --now tells what it would decide.");
}

static void tell_who(const struct printer *printer, const Itexd__V1__Decision *decision,
                     const struct story_extras *extras)
{
    char time[TIME_TEXT_SIZE], local[TIME_TEXT_SIZE], who[96] = "somebody";
    const Itexd__V1__Peer *peer = decision->peer;
    const struct passwd *user = peer && peer->has_uid ? getpwuid(peer->uid) : NULL;
    if (user)
        snprintf(who, sizeof(who), "%s (uid %u)", user->pw_name, peer->uid);
    else if (peer && peer->has_uid)
        snprintf(who, sizeof(who), "uid %u", peer->uid);
    print_fieldf(printer, "asked by", "%s, process %d", who, peer && peer->has_pid ? peer->pid : 0);
    if (decision->has_time_ms)
        print_fieldf(printer, "when", "%s (%s)", time_text(decision->time_ms, time),
                     local_time(decision->time_ms, local));
    if (decision->job)
        print_fieldf(printer, "job", "%s%s%s", decision->job, decision->step ? ", step " : "",
                     decision->step ? decision->step : "");
    tell_rule_set(printer, decision, extras);
}

/* A longer value is longer than anybody reads. */
#define SHOWN_VALUE 300

static const char *more_of(const char *value)
{
    return strlen(value) > SHOWN_VALUE ? "... (cut here)" : "";
}

/* Facts of one provenance on one line. */
static void tell_facts_from(const struct printer *printer, const Itexd__V1__Facts *facts, const char *from,
                            const char *label)
{
    char *text = NULL;
    size_t size, n = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return;
    for (size_t i = 0; i < facts->n_facts; i++) {
        const Itexd__V1__Fact *fact = facts->facts[i];
        if (!fact->name || !fact->from || strcmp(fact->from, from) != 0)
            continue;
        bool named_only = strcmp(from, "unknown") == 0;
        const char *value = named_only || !fact->value ? "" : fact->value;
        fprintf(out, "%s%s%s%.*s%s", n++ ? ", " : "", fact->name, named_only ? "" : " ", SHOWN_VALUE, value,
                more_of(value));
    }
    fclose(out);
    if (n > 0)
        print_field(printer, label, text);
    free(text);
}

static void tell_what_it_brought(const struct printer *printer, const Itexd__V1__Decision *decision)
{
    static const char *const provenances[][2] = {
        {"declared", "declared"}, {"script", "script"},    {"environment", "environment"},
        {"node", "this node"},    {"inferred", "follows"}, {"unknown", "not known"},
    };
    if (!decision->facts)
        return;
    print_heading(printer, TONE_BOLD, "What the job brought");
    for (size_t i = 0; i < LENGTH(provenances); i++)
        tell_facts_from(printer, decision->facts, provenances[i][0], provenances[i][1]);
    for (size_t i = 0; i < decision->facts->n_env; i++) {
        const Itexd__V1__Variable *variable = decision->facts->env[i];
        const char *value = variable->value ? variable->value : "";
        print_fieldf(printer, i ? "" : "variables", "%s=%.*s%s", variable->name, SHOWN_VALUE, value, more_of(value));
    }
    for (size_t i = 0; i < decision->facts->n_oversized; i++)
        print_fieldf(printer, i ? "" : "too long", "%s, not looked at", decision->facts->oversized[i]);
}

static void tell_prediction(const struct printer *printer, const Itexd__V1__Outcome *outcome)
{
    CLEANUP(freep) char *prediction = prediction_words(outcome);
    print_heading(printer, TONE_BOLD, "What its own environment would have come to");
    print_paragraph(printer, 2, prediction ? prediction : "?");
}

static void tell_rule(const struct printer *printer, size_t number, const Itexd__V1__Diagnostic *diagnostic)
{
    const char *severity = diagnostic->severity ? diagnostic->severity : "?";
    fprintf(printer->out, "  %zu. %s%s%s (%s)", number, tone_start(printer, severity_tone(severity)),
            diagnostic->rule ? diagnostic->rule : "?", tone_end(printer), severity);
    if (diagnostic->outcome)
        fprintf(printer->out, ": %s", outcome_words(diagnostic->outcome));
    fputc('\n', printer->out);
    if (diagnostic->n_because > 0) {
        CLEANUP(freep) char *chain = join_words(diagnostic->because, diagnostic->n_because);
        print_paragraphf(printer, 5, "It began to hold because of what was done for %s.", chain ? chain : "?");
    }
    if (diagnostic->message)
        print_paragraph(printer, 5, diagnostic->message);
    if (diagnostic->solution)
        print_paragraphf(printer, 5, "%s: %s", diagnostic->applied ? "Done" : "Solution", diagnostic->solution);
    if (diagnostic->source)
        print_paragraphf(printer, 5, "Source: %s", diagnostic->source);
}

/* Whoever reads a solution wants to know whether it is left to do. */
static bool has_solution_not_done(const Itexd__V1__Outcome *outcome)
{
    for (size_t i = 0; i < outcome->n_diagnostics; i++) {
        const Itexd__V1__Diagnostic *diagnostic = outcome->diagnostics[i];
        bool info = diagnostic->severity && strcmp(diagnostic->severity, "info") == 0;
        if (diagnostic->solution && !diagnostic->applied && !info)
            return true;
    }
    return false;
}

static void tell_rules(const struct printer *printer, const Itexd__V1__Outcome *outcome)
{
    print_heading(printer, TONE_BOLD, "Which rules held, in their order");
    if (outcome->n_diagnostics == 0)
        print_paragraph(printer, 2, "None: nothing is known against this environment.");
    for (size_t i = 0; i < outcome->n_diagnostics; i++)
        tell_rule(printer, i + 1, outcome->diagnostics[i]);
    if (outcome->diagnostics_omitted > 0)
        print_paragraphf(printer, 2, "and %u more, not kept.", outcome->diagnostics_omitted);
    if (outcome->verdict && strcmp(outcome->verdict, "fixed") == 0 && has_solution_not_done(outcome))
        print_paragraph(printer, 2,
                        "A solution that is not marked as done is no longer needed after the other changes, is the "
                        "job's own part below, or was left to the job.");
}

static bool is_of_lease(const Itexd__V1__Facts *facts, const char *name)
{
    for (size_t i = 0; facts && i < facts->n_lease_env; i++)
        if (facts->lease_env[i]->name && strcmp(facts->lease_env[i]->name, name) == 0)
            return true;
    return false;
}

/* Those that came with devices, or the others. */
static void tell_variables(const struct printer *printer, const char *label, const Itexd__V1__Outcome *outcome,
                           const Itexd__V1__Facts *facts, bool of_lease)
{
    for (size_t i = 0; i < outcome->n_env; i++) {
        if (is_of_lease(facts, outcome->env[i]->name ? outcome->env[i]->name : "") != of_lease)
            continue;
        print_changes(printer, label, &outcome->env[i], 1);
        label = "";
    }
}

static void tell_changes(const struct printer *printer, const Itexd__V1__Outcome *outcome,
                         const Itexd__V1__Facts *facts)
{
    if (outcome->n_env == 0 && outcome->n_obligations == 0)
        return;
    print_heading(printer, TONE_BOLD, "What was done about it");
    tell_variables(printer, "environment", outcome, facts, false);
    tell_variables(printer, "for devices", outcome, facts, true);
    print_obligations(printer, "job's part", outcome->obligations, outcome->n_obligations);
}

static const char *state_words(const char *state)
{
    static const char *const words[][2] = {
        {"asked", "it was only asked"},
        {"offered", "it was offered and has not been taken yet"},
        {"accepted", "the job took it"},
        {"undelivered", "it never reached the job"},
    };
    for (size_t i = 0; state && i < LENGTH(words); i++)
        if (strcmp(words[i][0], state) == 0)
            return words[i][1];
    return state ? state : "?";
}

static void tell_result(const struct printer *printer, const Itexd__V1__Decision *decision)
{
    const Itexd__V1__Outcome *outcome = decision->outcome;
    print_heading(printer, TONE_BOLD, "Result");
    const char *meaning = mode_words(outcome->mode);
    print_fieldf(printer, "verdict", "%s, mode %s%s%s", outcome->verdict ? outcome->verdict : "?",
                 outcome->mode ? outcome->mode : "not reached", meaning ? ": " : "", meaning ? meaning : "");
    print_fieldf(printer, "state", "%s (%s)", state_words(decision->state), decision->state ? decision->state : "?");
    if (outcome->n_unknown > 0) {
        CLEANUP(freep) char *unknown = join_words(outcome->unknown, outcome->n_unknown);
        print_fieldf(printer, "open", "knowing %s could have changed this", unknown ? unknown : "?");
    }
    print_devices(printer, decision);
    if (decision->observed)
        print_fieldf(printer, "observed", "mode %s, %u device%s: %s",
                     decision->observed->mode ? decision->observed->mode : "?", decision->observed->devices,
                     decision->observed->devices == 1 ? "" : "s",
                     decision->observed->match ? "as decided" : "not as decided");
    else if (decision->state && strcmp(decision->state, "accepted") == 0)
        print_field(printer, "observed", "nothing: the job has not reported");
    tell_mismatch(printer, decision);
}

void print_story(const struct printer *printer, const Itexd__V1__Decision *decision, const struct story_extras *extras)
{
    if (decision->has_id && decision->id)
        fprintf(printer->out, "%sDecision %" PRIu64 "%s\n", tone_start(printer, TONE_BOLD), decision->id,
                tone_end(printer));
    tell_who(printer, decision, extras);
    fputc('\n', printer->out);
    tell_in_short(printer, decision);
    fputc('\n', printer->out);
    tell_what_it_brought(printer, decision);
    fputc('\n', printer->out);
    tell_prediction(printer, decision->outcome);
    fputc('\n', printer->out);
    tell_rules(printer, decision->outcome);
    fputc('\n', printer->out);
    tell_changes(printer, decision->outcome, decision->facts);
    if (decision->outcome->n_env > 0 || decision->outcome->n_obligations > 0)
        fputc('\n', printer->out);
    tell_result(printer, decision);
    tell_now(printer, decision, extras);
}
