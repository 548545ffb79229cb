/* Examining a job's script: see examine.h. */
#include "client/itexctl/examine.h"
#include "client/itexctl/analyser.h"
#include "client/itexctl/check_cache.h"
#include "client/itexctl/check_turn.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void examined_clear(struct examined *examined)
{
    script_clear(&examined->script);
    findings_clear(&examined->findings);
    free(examined->environment);
    free(examined->interpreter);
    free(examined->problem);
    *examined = (struct examined)EXAMINED_INIT;
}

static int out_of_memory(struct failure *failure)
{
    return failure_set(failure, EXIT_INTERNAL, "out of memory");
}

/* ---- The environment ----------------------------------------------------------------------------------- */

static bool overridden(const struct ask *ask, const char *assignment, size_t from)
{
    size_t length = strcspn(assignment, "=");
    for (size_t i = from; i < ask->env.n_items; i++)
        if (strncmp(ask->env.items[i], assignment, length) == 0 && ask->env.items[i][length] == '=')
            return true;
    return false;
}

/* An environment with --env. The array is from malloc; NULL without memory. */
static char **with_options(const struct ask *ask, char *const *environment)
{
    size_t n = 0, kept = 0;
    while (environment[n])
        n++;
    char **all = calloc(n + ask->env.n_items + 1, sizeof(*all));
    for (size_t i = 0; all && i < n; i++)
        if (!overridden(ask, environment[i], 0))
            all[kept++] = environment[i];
    for (size_t i = 0; all && i < ask->env.n_items; i++)
        if (strchr(ask->env.items[i], '=') && !overridden(ask, ask->env.items[i], i + 1))
            all[kept++] = (char *)ask->env.items[i];
    return all;
}

/* What the command line's env does, and then --env, which says what the job will have. */
static int fill_environment(const struct ask *ask, struct examined *examined)
{
    static char *const nothing[] = {NULL};
    CLEANUP(freep) char **environment = script_environment(&examined->script, ask->clean_env ? nothing : environ);
    examined->environment = environment ? with_options(ask, environment) : NULL;
    return examined->environment ? 0 : -ENOMEM;
}

/* ---- The analysis -------------------------------------------------------------------------------------- */

void examined_question(const struct ask *ask, const struct examined *examined, struct analyser_question *question)
{
    const struct script *script = &examined->script;
    bool named = examined->file && examined->file != script->file; /* by --script */
    bool here = !strpbrk(script->options, "PI");                   /* modules are looked for in the current folder */
    *question = (struct analyser_question){
        .interpreter = examined->interpreter,
        .options = script->options,
        .environment = examined->environment,
        .itex = ask->itex,
        .bind = ask->bind && strcmp(ask->bind, "rank") == 0 ? ask->bind : NULL,
        .file = examined->file,
        .timeout_ms = ask->check_timeout > 0 ? ask->check_timeout : ANALYSER_DEFAULT_TIMEOUT_MS,
    };
    if (named)
        return;
    if (script->kind == SCRIPT_MODULE && (examined->file || here)) {
        question->module = script->words[script->subject + 1];
        question->file = NULL;
    }
    if (script->kind == SCRIPT_CODE)
        question->code = script->words[script->subject + 1];
}

/* An installed module is no mistake in the script: nothing is known of it, but what is installed. */
static void leave_out_module(const struct analyser_question *question, struct examined *examined)
{
    struct findings *findings = &examined->findings;
    bool unknown = question->module && findings->n_files == 1 && !findings->files[0].parsed &&
                   strcmp(findings->files[0].path, question->module) == 0;
    if (unknown)
        findings->n_items = 0;
    else if (question->module && !examined->file && findings->n_files > 0)
        examined->file = findings->files[0].path;
}

static int ask_analyser(const struct ask *ask, struct examined *examined, struct failure *failure)
{
    CLEANUP(check_cache_close) struct check_cache cache = CHECK_CACHE_INIT;
    CLEANUP(analyser_answer_clear) struct analyser_answer answer = ANALYSER_ANSWER_INIT;
    CLEANUP(failure_clear) struct failure mistake = FAILURE_INIT;
    struct analyser_question question;
    examined_question(ask, examined, &question);
    if (!ask->no_cache)
        check_cache_open(&cache, &question);
    CLEANUP(closep) int turn = -1;
    examined->kept = check_cache_find(&cache, question.environment, &answer);
    if (!examined->kept && cache.folder >= 0) {
        turn = check_turn_take(cache.key, question.timeout_ms);
        examined->kept = check_cache_find(&cache, question.environment, &answer);
    }
    if (!examined->kept && analyser_run(&question, &answer, failure) < 0)
        return -1;
    if (findings_read(answer.text, answer.size, &examined->findings, &mistake) < 0)
        return failure_set(failure, EXIT_INTERNAL, "what %s says about %s is not understood: %s", question.interpreter,
                           question.file ? question.file : "the script", mistake.text);
    if (!examined->kept)
        check_cache_keep(&cache, &answer, &examined->findings);
    leave_out_module(&question, examined);
    return 0;
}

/* A failure of the analyser is no failure of ours. */
static void analyse(const struct ask *ask, struct examined *examined)
{
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    examined->known = ask_analyser(ask, examined, &failure) == 0;
    if (!examined->known)
        examined->problem = TAKE_PTR(failure.text);
}

/* ---- What to analyse ------------------------------------------------------------------------------------- */

static int check_options(const struct ask *ask, const char *file, struct failure *failure)
{
    if (file && access(file, R_OK) < 0)
        return failure_set(failure, EXIT_USAGE, "cannot read the script %s: %s", file, strerror(errno));
    if (ask->python && access(ask->python, X_OK) < 0)
        return failure_set(failure, EXIT_USAGE, "--python %s: %s", ask->python, strerror(errno));
    return 0;
}

/* The one that was named, else the one that will run it, else the one that a file like this is run by. */
static int choose_interpreter(const struct ask *ask, const char *file, char *const *environment,
                              struct examined *examined, struct failure *failure)
{
    const char *named = ask->python ? ask->python : examined->script.interpreter;
    int r = 0;
    if (named)
        examined->interpreter = strdup(named);
    else if (file)
        r = script_interpreter_for(file, environment, &examined->interpreter);
    return r < 0 || (named && !examined->interpreter) ? out_of_memory(failure) : 0;
}

int examine_command(const struct ask *ask, char *const *command, bool look, struct examined *examined,
                    struct failure *failure)
{
    CLEANUP(freep) char **environment = with_options(ask, environ);
    struct script *script = &examined->script;
    if (!environment || script_find(script, command, environment) < 0 || fill_environment(ask, examined) < 0)
        return out_of_memory(failure);
    if (!look)
        return 0;
    if (check_options(ask, ask->script, failure) < 0 ||
        choose_interpreter(ask, ask->script, environment, examined, failure) < 0)
        return -1;
    examined->file = ask->script ? ask->script : script->file;
    bool ends_at_once = script->kind == SCRIPT_NONE || script->kind == SCRIPT_NOTHING || script->missing;
    if (examined->interpreter && (ask->script || !ends_at_once))
        analyse(ask, examined);
    return 0;
}

int examine_file(const struct ask *ask, const char *file, bool look, struct examined *examined, struct failure *failure)
{
    if (fill_environment(ask, examined) < 0)
        return out_of_memory(failure);
    if (check_options(ask, file, failure) < 0 ||
        choose_interpreter(ask, file, ask->clean_env ? environ : examined->environment, examined, failure) < 0)
        return -1;
    examined->file = file;
    if (!examined->interpreter)
        return failure_set(failure, EXIT_USAGE,
                           "there is no Python to analyse %s with, neither python3 nor python in PATH: name one by "
                           "--python",
                           file);
    if (look)
        analyse(ask, examined);
    return 0;
}

int examine_named(const struct ask *ask, struct examined *examined, struct failure *failure)
{
    if (!ask->script)
        return 0;
    if (examine_file(ask, ask->script, true, examined, failure) < 0)
        return -1;
    if (examined->problem)
        note("nothing is known of %s: %s", ask->script, examined->problem);
    return 0;
}

/* ---- What the script does to the environment ---------------------------------------------------------------- */

const struct found_variable *examined_variable(const struct examined *examined, const char *name)
{
    const struct findings *findings = &examined->findings;
    for (size_t i = findings->n_variables; i-- > 0;) {
        const struct found_variable *variable = &findings->variables[i];
        if (variable->unconditional && variable->before_import && strcmp(variable->name, name) == 0)
            return variable;
    }
    return NULL;
}
