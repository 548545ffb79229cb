/* The story in a few sentences: what whoever asks "why" wants to know before the rest. See story.h. */
#include "client/itexctl/itexctl.h"
#include "client/itexctl/story.h"
#include "client/itexctl/words.h"
#include "proto/cleanup.h"

#include <stdlib.h>
#include <string.h>

static bool is(const char *text, const char *word)
{
    return text && strcmp(text, word) == 0;
}

/* "job 1234", "process 77". */
static void subject(const Itexd__V1__Decision *decision, char text[96])
{
    if (decision->job)
        snprintf(text, 96, "job %.80s", decision->job);
    else
        snprintf(text, 96, "process %d", decision->peer && decision->peer->has_pid ? decision->peer->pid : 0);
}

/* Rules whose solution was done, joined; from malloc, NULL without memory or where there are none. */
static char *applied_rules(const Itexd__V1__Outcome *outcome)
{
    CLEANUP(freep) char **rules = calloc(outcome->n_diagnostics + 1, sizeof(*rules));
    size_t n = 0;
    for (size_t i = 0; rules && i < outcome->n_diagnostics; i++)
        if (outcome->diagnostics[i]->applied && outcome->diagnostics[i]->rule)
            rules[n++] = outcome->diagnostics[i]->rule;
    return n > 0 ? join_words(rules, n) : NULL;
}

/* The first of those that a rejection is owed to. */
static const char *rejecting_rule(const Itexd__V1__Outcome *outcome)
{
    for (size_t i = 0; i < outcome->n_diagnostics; i++)
        if (is(outcome->diagnostics[i]->severity, "error") && !outcome->diagnostics[i]->applied)
            return outcome->diagnostics[i]->rule;
    return NULL;
}

static void say_prediction(FILE *out, const char *who, const Itexd__V1__Outcome *outcome)
{
    const char *word = outcome->predicted_outcome;
    CLEANUP(freep) char *unknown = join_words(outcome->unknown, outcome->n_unknown);
    if (!word)
        fprintf(out, "What %s comes to as it is cannot be told without knowing %s. ", who,
                outcome->n_unknown > 0 && unknown ? unknown : "more of it");
    else if (is(word, "ok"))
        fprintf(out, "As far as is known, %s works as it is. ", who);
    else
        fprintf(out, "As it is, %s %s. ", who, outcome_words(word));
}

static void say_verdict(FILE *out, const Itexd__V1__Decision *decision)
{
    const Itexd__V1__Outcome *outcome = decision->outcome;
    const char *mode = outcome->mode ? outcome->mode : "?";
    CLEANUP(freep) char *rules = applied_rules(outcome);
    const char *rejecting = rejecting_rule(outcome);
    if (is(outcome->verdict, "rejected") && is(outcome->mode, "none"))
        fprintf(out, "It was rejected, for the devices that it asked for cannot be had. ");
    else if (is(outcome->verdict, "rejected"))
        fprintf(out, "It was rejected, for no change that is permitted helps%s%s. ", rejecting ? ": " : "",
                rejecting ? rejecting : "");
    else if (is(outcome->verdict, "advised"))
        fprintf(out, "It was only advised, and nothing changed: %s. ",
                is(decision->policy, "advise") ? "the policy was advise" : "only errors were to be repaired");
    else if (rules)
        fprintf(out, "It was given mode %s, by what was done for %s. ", mode, rules);
    else if (is(outcome->verdict, "fixed"))
        fprintf(out, "It was given mode %s%s. ", mode, decision->lease ? ", and devices" : "");
    else
        fprintf(out, "It was left so, mode %s. ", mode);
}

static void say_report(FILE *out, const Itexd__V1__Decision *decision)
{
    const Itexd__V1__Observed *observed = decision->observed;
    if (!observed)
        fprintf(out, "The job took it, and has not reported what it got, as jobs without the hook do not.");
    else if (observed->match)
        fprintf(out, "The job took it, and reported just that.");
    else if (is(observed->mode, "none"))
        fprintf(out, "The job took it, and then ran on the CPU.");
    else if (is(observed->mode, decision->outcome->mode ? decision->outcome->mode : ""))
        fprintf(out, "The job took it, and reported the mode, but %u device%s.", observed->devices,
                observed->devices == 1 ? "" : "s");
    else
        fprintf(out, "The job took it, and then reported mode %s.", observed->mode ? observed->mode : "?");
}

static void say_end(FILE *out, const Itexd__V1__Decision *decision)
{
    if (is(decision->state, "accepted"))
        say_report(out, decision);
    else if (is(decision->state, "undelivered"))
        fprintf(out, "The answer never reached the job, so nothing of it was in force.");
    else if (is(decision->state, "offered"))
        fprintf(out, "The job has not said yet that it is in force.");
    else if (is(decision->outcome->verdict, "rejected"))
        fprintf(out, "Nothing was started by it.");
    else if (decision->facts && decision->facts->launcher)
        fprintf(out, "It was for what a launcher starts: each rank may have a decision of its own.");
    else
        fprintf(out, "It was only asked for: whether a job ran by it is not known here.");
}

void tell_in_short(const struct printer *printer, const Itexd__V1__Decision *decision)
{
    CLEANUP(freep) char *text = NULL;
    char who[96];
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return;
    subject(decision, who);
    say_prediction(out, who, decision->outcome);
    say_verdict(out, decision);
    say_end(out, decision);
    if (fclose(out) == 0) {
        print_heading(printer, TONE_BOLD, "In short");
        print_paragraph(printer, 2, text);
    }
}

/* Only what can be: what was decided does not lead to it. */
void tell_mismatch(const struct printer *printer, const Itexd__V1__Decision *decision)
{
    const Itexd__V1__Outcome *outcome = decision->outcome;
    CLEANUP(freep) char *open = join_words(outcome->unknown, outcome->n_unknown);
    if (!decision->observed || !decision->observed->has_match || decision->observed->match)
        return;
    print_paragraphf(printer, 14,
                     "What was decided does not lead to that. Then %s%s%sthe job, or what started it, set a variable "
                     "otherwise after the decision, or has another TensorFlow or ITEX than was assumed, or its driver "
                     "failed. What the job wrote says which; itexctl doctor looks at installation and driver.",
                     outcome->n_obligations > 0 ? "the job's part was not done, or " : "",
                     outcome->n_unknown > 0 && open ? open : "",
                     outcome->n_unknown > 0 ? " was not as it would have to be, or " : "");
}
