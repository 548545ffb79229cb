/* The lines of itexctl run: see run_say.h. */
#include "client/itexctl/run_say.h"
#include "client/itexctl/analyser.h"
#include "client/itexctl/output.h"
#include "client/itexctl/words.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* More errors than this are counted only. */
#define MOST_ERRORS 5u

/* ---- The hook ------------------------------------------------------------------------------------------ */

void hook_clear(struct hook *hook)
{
    free(hook->runner);
    free(hook->why);
    *hook = (struct hook)HOOK_INIT;
}

__attribute__((format(printf, 2, 3))) static int hook_missing(struct hook *hook, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int r = vasprintf(&hook->why, format, arguments);
    va_end(arguments);
    if (r < 0)
        hook->why = NULL;
    hook->kind = HOOK_MISSING;
    return r < 0 ? -ENOMEM : 0;
}

/* The interpreter has no hook of its own, and what it runs is known. */
static int hook_by_runner(const struct script *script, struct hook *hook)
{
    bool typed = (script->kind == SCRIPT_INTERACTIVE || script->kind == SCRIPT_STDIN) && isatty(STDIN_FILENO);
    if (typed)
        return hook_missing(hook, "its Python has no itexclient, and what is typed into it cannot be run by another "
                                  "program");
    CLEANUP(freep) char *runner = python_package_file("runner.py");
    if (!runner)
        return -ENOMEM;
    if (access(runner, R_OK) < 0)
        return hook_missing(hook, "its Python has no itexclient, and there is no %s", runner);
    hook->runner = TAKE_PTR(runner);
    hook->kind = HOOK_BUNDLED;
    return 0;
}

int hook_find(const struct examined *examined, bool look, struct hook *hook)
{
    const struct script *script = &examined->script;
    if (!look || script->launcher || script->nested || (!examined->known && !examined->problem))
        return 0;
    if (examined->problem)
        return hook_missing(hook, "%s", examined->problem);
    if (examined->findings.hook || script->has_runner) {
        hook->kind = HOOK_INSTALLED;
        return 0;
    }
    if (script->kind == SCRIPT_NONE)
        return hook_missing(hook, "what %s starts is not known, and %s has no itexclient",
                            script->program_name ? script->program_name : "the command", examined->interpreter);
    return hook_by_runner(script, hook);
}

void say_hook(const struct examined *examined, const struct hook *hook, bool require_mode)
{
    if (hook->kind == HOOK_MISSING && examined->problem)
        note("nothing is known of %s, and it runs without the hook%s: %s",
             examined->file ? examined->file : script_name(&examined->script), require_mode ? " of --require-mode" : "",
             hook->why);
    else if (hook->kind == HOOK_MISSING)
        note("the job runs without the hook%s: %s", require_mode ? " of --require-mode" : "", hook->why);
    else if (hook->kind == HOOK_OF_NO_PYTHON && require_mode && !examined->script.launcher && !examined->script.nested)
        note("--require-mode holds only where a Python with itexclient is started, which is not known of %s",
             examined->script.program_name ? examined->script.program_name : "the command");
}

/* ---- The decision ---------------------------------------------------------------------------------------- */

/* The variable that the script sets in that line; NULL. */
static const char *variable_at(const struct examined *examined, const char *file, size_t length, unsigned line)
{
    for (size_t i = 0; i < examined->findings.n_variables; i++) {
        const struct found_variable *variable = &examined->findings.variables[i];
        if (variable->place.line == line && variable->place.file && strlen(variable->place.file) == length &&
            strncmp(variable->place.file, file, length) == 0 && examined_variable(examined, variable->name) == variable)
            return variable->name;
    }
    return NULL;
}

char *script_obligation_words(const char *token, const struct examined *examined)
{
    const char *file = token + strlen("script:"), *colon = strrchr(file, ':');
    size_t length = colon ? (size_t)(colon - file) : strlen(file);
    const char *name = colon ? variable_at(examined, file, length, (unsigned)strtoul(colon + 1, NULL, 10)) : NULL;
    char *text = NULL;
    int r = asprintf(&text, "change %s, which sets %s itself", file, name ? name : "a variable");
    return r < 0 ? NULL : text;
}

static void print_changes_of(FILE *out, const Itexd__V1__Outcome *outcome)
{
    for (size_t i = 0; i < outcome->n_env; i++) {
        const Itexd__V1__Variable *variable = outcome->env[i];
        fprintf(out, "; %s%s%s%s", variable->value ? "" : "unset ", variable->name, variable->value ? "=" : "",
                variable->value ? variable->value : "");
    }
}

/* Obligations, and lines of the script that would take away again what the decision sets. */
static void print_duties(FILE *out, const Itexd__V1__Outcome *outcome, const struct examined *examined)
{
    const char *before = "; the job must: ";
    for (size_t i = 0; i < outcome->n_obligations; i++, before = ", ") {
        const char *token = outcome->obligations[i];
        CLEANUP(freep)
        char *words = strncmp(token, "script:", 7) == 0 ? script_obligation_words(token, examined) : strdup(token);
        fprintf(out, "%s%s", before, words ? words : token);
    }
    for (size_t i = 0; i < outcome->n_env; i++) {
        const struct found_variable *own = examined_variable(examined, outcome->env[i]->name);
        if (!own || own->value || !outcome->env[i]->value)
            continue;
        fprintf(out, "%schange %s:%u, which takes %s away", before, own->place.file ? own->place.file : "the script",
                own->place.line, own->name);
        before = ", ";
    }
}

/* Nothing was done about these; what they advise is longer than a line. */
static void print_advice(FILE *out, const Itexd__V1__Outcome *outcome)
{
    size_t n = 0;
    for (size_t i = 0; i < outcome->n_diagnostics; i++)
        if (outcome->diagnostics[i]->rule && outcome->diagnostics[i]->solution)
            fprintf(out, "%s%s", n++ ? ", " : "; left as it is: ", outcome->diagnostics[i]->rule);
}

/* One line, only where there is something to know. */
void say_decision(const struct decided *decided, const struct examined *examined)
{
    const Itexd__V1__Outcome *outcome = decided->decision->outcome;
    char *text = NULL, mark[MARK_SIZE];
    size_t size;
    if (!outcome->verdict || strcmp(outcome->verdict, "ok") == 0)
        return;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return;
    mark_prefix(decision_mark(decided->decision), mark);
    fprintf(out, "%s%s: mode %s", mark, outcome->verdict, outcome->mode ? outcome->mode : "unchanged");
    print_changes_of(out, outcome);
    print_duties(out, outcome, examined);
    if (strcmp(outcome->verdict, "advised") == 0)
        print_advice(out, outcome);
    if (decided->decision->has_id && decided->decision->id)
        fprintf(out, " (itexctl explain %llu)", (unsigned long long)decided->decision->id);
    fclose(out);
    for (char *byte = text; *byte; byte++)
        *byte = *byte == '\n' ? ' ' : *byte;
    note("%s", text);
    free(text);
}

/* ---- Findings ---------------------------------------------------------------------------------------------- */

static bool is_obliged(const Itexd__V1__Outcome *outcome, const char *token)
{
    for (size_t i = 0; i < outcome->n_obligations; i++)
        if (strcmp(outcome->obligations[i], token) == 0)
            return true;
    return false;
}

/* What the hook sees to where the decision asks for it. */
static bool hook_repairs(const struct finding *finding, const Itexd__V1__Outcome *outcome)
{
    static const struct {
        const char *rule, *token;
    } repairs[] = {
        {"import-order", "import-tensorflow-first"},
        {"keras3-3", "jit_compile=False"},
        {"keras-auto-jit", "jit_compile=False"},
        {"jit-without-xla", "jit_compile=False"},
    };
    for (size_t i = 0; i < LENGTH(repairs); i++)
        if (strcmp(repairs[i].rule, finding->rule) == 0 && is_obliged(outcome, repairs[i].token))
            return true;
    return false;
}

bool finding_repaired(const struct finding *finding, const Itexd__V1__Outcome *outcome, const struct hook *hook)
{
    bool hooked = hook && (hook->kind == HOOK_INSTALLED || hook->kind == HOOK_BUNDLED);
    for (size_t i = 0; outcome && i < outcome->n_diagnostics; i++)
        if (outcome->diagnostics[i]->rule && outcome->diagnostics[i]->applied &&
            strcmp(outcome->diagnostics[i]->rule, finding->rule) == 0)
            return true;
    return outcome && hooked && hook_repairs(finding, outcome);
}

static void say_error(const struct finding *finding)
{
    CLEANUP(freep) char *where = place_text(&finding->place, "script");
    note("%s: error: %s [%s]", where ? where : "script", finding->message, finding->rule);
}

void say_findings(const struct decided *decided, const struct examined *examined, const struct hook *hook,
                  bool errors_only)
{
    const Itexd__V1__Outcome *outcome = decided->decision ? decided->decision->outcome : NULL;
    const char *file = examined->file ? examined->file : script_name(&examined->script);
    unsigned errors = 0, warnings = 0;
    for (size_t i = 0; i < examined->findings.n_items; i++) {
        const struct finding *finding = &examined->findings.items[i];
        if (finding->severity == SEVERITY_INFO || finding_repaired(finding, outcome, hook))
            continue;
        warnings += finding->severity == SEVERITY_WARNING;
        if (finding->severity == SEVERITY_ERROR && errors++ < MOST_ERRORS)
            say_error(finding);
    }
    unsigned more = errors > MOST_ERRORS ? errors - MOST_ERRORS : 0;
    if (more > 0)
        note("%u more error%s in %s; itexctl check shows them", more, more == 1 ? "" : "s", file);
    if (warnings > 0 && !errors_only)
        note("%u warning%s about %s; itexctl check shows %s", warnings, warnings == 1 ? "" : "s", file,
             warnings == 1 ? "it" : "them");
}
