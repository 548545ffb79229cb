/* Words for people: see words.h. */
#include "client/itexctl/words.h"
#include "client/itexctl/itexctl.h"
#include "proto/cleanup.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char *outcome_words(const char *outcome)
{
    static const struct {
        const char *word, *sentence;
    } outcomes[] = {
        {"ok", "works as it is"},
        {"warning", "works, but not as it was meant"},
        {"slow", "runs slower than it could"},
        {"unsupported", "is not supported: what happens is not known"},
        {"cpu", "trains on the CPU without a word"},
        {"exit0", "ends with status 0 without having trained"},
        {"error", "ends with a Python exception"},
        {"abort", "is killed by a signal"},
        {"no-device", "finds no device"},
    };
    for (size_t i = 0; outcome && i < LENGTH(outcomes); i++)
        if (strcmp(outcomes[i].word, outcome) == 0)
            return outcomes[i].sentence;
    return outcome;
}

const char *mode_words(const char *mode)
{
    static const char *const modes[][2] = {
        {"npd+xla", "NextPluggableDevice with XLA"},
        {"npd", "NextPluggableDevice without XLA"},
        {"stream-executor", "the older PluggableDevice, without XLA"},
        {"none", "devices were asked for and cannot be had"},
    };
    for (size_t i = 0; mode && i < LENGTH(modes); i++)
        if (strcmp(modes[i][0], mode) == 0)
            return modes[i][1];
    return NULL;
}

char *obligation_words(const char *token)
{
    static const struct {
        const char *token, *sentence;
    } known[] = {
        {"jit_compile=False", "pass jit_compile=False to model.compile()"},
        {"import-tensorflow-first", "import tensorflow before keras"},
        {"import-tf-keras", "import tf_keras as keras instead of keras"},
        {"KERAS_BACKEND=tensorflow", "let Keras use its tensorflow backend: KERAS_BACKEND=tensorflow"},
    };
    for (size_t i = 0; i < LENGTH(known); i++)
        if (strcmp(known[i].token, token) == 0)
            return strdup(known[i].sentence);
    char *text = NULL;
    int r;
    if (strncmp(token, "install:", 8) == 0)
        r = asprintf(&text, "install %s in the job's Python", token + 8);
    else if (strncmp(token, "script:", 7) == 0)
        r = asprintf(&text, "change the script at %s, which sets a variable itself", token + 7);
    else
        r = asprintf(&text, "%s", token);
    return r < 0 ? NULL : text;
}

char *join_words(char *const *items, size_t n_items)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    for (size_t i = 0; i < n_items; i++)
        fprintf(out, "%s%s", i ? ", " : "", items[i]);
    return fclose(out) == 0 ? text : NULL;
}

char *prediction_words(const Itexd__V1__Outcome *outcome)
{
    char *text = NULL;
    const char *mode = outcome->predicted_mode, *word = outcome->predicted_outcome;
    int r;
    if (!word && outcome->n_unknown > 0) {
        CLEANUP(freep) char *unknown = join_words(outcome->unknown, outcome->n_unknown);
        r = asprintf(&text, "%s, as far as can be told without knowing %s", mode ? mode : "no mode",
                     unknown ? unknown : "all facts");
    } else if (!word) {
        r = asprintf(&text, "%s; not known how it ends", mode ? mode : "no mode");
    } else if (mode) {
        r = asprintf(&text, "%s, %s (%s)", mode, outcome_words(word), word);
    } else {
        r = asprintf(&text, "no mode: %s (%s)", outcome_words(word), word);
    }
    return r < 0 ? NULL : text;
}

void print_changes(const struct printer *printer, const char *label, Itexd__V1__Variable *const *env, size_t n_env)
{
    for (size_t i = 0; i < n_env; i++, label = "") {
        if (env[i]->value)
            print_fieldf(printer, label, "%s=%s", env[i]->name, env[i]->value);
        else
            print_fieldf(printer, label, "unset %s", env[i]->name);
    }
}

void print_obligations(const struct printer *printer, const char *label, char *const *tokens, size_t n_tokens)
{
    for (size_t i = 0; i < n_tokens; i++, label = "") {
        CLEANUP(freep) char *words = obligation_words(tokens[i]);
        if (words && strcmp(words, tokens[i]) != 0)
            print_fieldf(printer, label, "%s: %s", tokens[i], words);
        else
            print_field(printer, label, tokens[i]);
    }
}

static void print_diagnostic(const struct printer *printer, const Itexd__V1__Diagnostic *diagnostic)
{
    fprintf(printer->out, "\n  %s%s%s %s%s\n", tone_start(printer, severity_tone(diagnostic->severity)),
            diagnostic->severity ? diagnostic->severity : "?", tone_end(printer),
            diagnostic->rule ? diagnostic->rule : "?", diagnostic->applied ? " (applied)" : "");
    if (diagnostic->message)
        print_paragraph(printer, 4, diagnostic->message);
    if (diagnostic->solution)
        print_paragraphf(printer, 4, "Solution: %s", diagnostic->solution);
    if (diagnostic->n_because > 0) {
        CLEANUP(freep) char *chain = join_words(diagnostic->because, diagnostic->n_because);
        print_paragraphf(printer, 4, "Because of: %s", chain ? chain : "?");
    }
}

static void print_unknown(const struct printer *printer, const Itexd__V1__Outcome *outcome)
{
    if (outcome->n_unknown == 0)
        return;
    CLEANUP(freep) char *unknown = join_words(outcome->unknown, outcome->n_unknown);
    print_fieldf(printer, "not known", "%s - saying so could change this answer", unknown ? unknown : "?");
}

static void print_alternatives(const struct printer *printer, const Itexd__V1__Outcome *outcome)
{
    if (!outcome->alternatives_asked)
        return;
    if (outcome->n_alternatives == 0)
        print_field(printer, "or instead", "there is no other change of up to two variables");
    for (size_t i = 0; i < outcome->n_alternatives; i++) {
        const Itexd__V1__Alternative *alternative = outcome->alternatives[i];
        print_fieldf(printer, i ? "" : "or instead", "for mode %s:", alternative->mode ? alternative->mode : "?");
        print_changes(printer, "", alternative->env, alternative->n_env);
        print_obligations(printer, "", alternative->obligations, alternative->n_obligations);
    }
}

const char *decision_mark(const Itexd__V1__Decision *decision)
{
    return decision->substitute && decision->substitute[0] ? decision->substitute : NULL;
}

void mark_prefix(const char *mark, char prefix[MARK_SIZE])
{
    snprintf(prefix, MARK_SIZE, "%.*s%s", MARK_SIZE - 3, mark ? mark : "", mark ? " " : "");
}

/* One line a device, and which of them is the process's own where there are several. */
void print_devices(const struct printer *printer, const Itexd__V1__Decision *decision)
{
    const Itexd__V1__Lease *lease = decision->lease;
    for (size_t i = 0; i < decision->n_devices; i++) {
        const Itexd__V1__Device *device = decision->devices[i];
        char tile[24] = "";
        if (device->has_tile)
            snprintf(tile, sizeof(tile), ", tile %u", device->tile);
        bool own = lease && lease->has_local_device && decision->n_devices > 1 && lease->local_device == i;
        print_fieldf(printer, i ? "" : "devices", "%s%s%s%s%s", device->bdf ? device->bdf : device->uuid, tile,
                     device->name ? ", " : "", device->name ? device->name : "", own ? " (its own)" : "");
    }
    if (lease)
        print_fieldf(printer, "lease", "%" PRIu64 ", %s, %s", lease->id, lease->sharing ? lease->sharing : "?",
                     lease->state ? lease->state : "?");
}

static void print_verdict(const struct printer *printer, const Itexd__V1__Decision *decision)
{
    const Itexd__V1__Outcome *outcome = decision->outcome;
    const char *verdict = outcome->verdict ? outcome->verdict : "?";
    fprintf(printer->out, "%s%s%s", tone_start(printer, verdict_tone(verdict)), verdict, tone_end(printer));
    fprintf(printer->out, ": %s%s", outcome->mode ? "mode " : "no mode", outcome->mode ? outcome->mode : "");
    if (decision->has_id && decision->id)
        fprintf(printer->out, " (decision %" PRIu64 ")", decision->id);
    else
        fputs(" (not recorded)", printer->out);
    fputc('\n', printer->out);
}

void print_decision(const struct printer *printer, const Itexd__V1__Decision *decision)
{
    const Itexd__V1__Outcome *outcome = decision->outcome;
    CLEANUP(freep) char *prediction = prediction_words(outcome);
    print_verdict(printer, decision);
    print_field(printer, "as it is", prediction ? prediction : "?");
    if (outcome->n_env > 0)
        print_changes(printer, "changes", outcome->env, outcome->n_env);
    else
        print_field(printer, "changes", "none");
    print_devices(printer, decision);
    print_obligations(printer, "job's part", outcome->obligations, outcome->n_obligations);
    print_unknown(printer, outcome);
    print_alternatives(printer, outcome);
    for (size_t i = 0; i < outcome->n_diagnostics; i++)
        print_diagnostic(printer, outcome->diagnostics[i]);
    if (outcome->diagnostics_omitted > 0)
        fprintf(printer->out, "\n  and %u more\n", outcome->diagnostics_omitted);
    if (decision->has_id && decision->id && outcome->n_diagnostics > 0)
        fprintf(printer->out, "\nThe whole story: itexctl explain %" PRIu64 "\n", decision->id);
}
