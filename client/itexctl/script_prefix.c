/*
 * Programs that only run another one: see script.h. Their options are known by a table as far as they take a value of
 * their own, which is all that is needed to find the program behind them.
 */
#include "client/itexctl/itexctl.h"
#include "client/itexctl/script_walk.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- nice, numactl and the like ---------------------------------------------------------------------- */

struct prefix {
    const char *name;
    const char *letters;             /* short options that take a value */
    const char *const *long_options; /* long ones that may have it in the next word; ends with NULL */
    size_t operands;                 /* before the command */
    const char *other_use;           /* a short option with which it runs no command */
};

static const char *const no_options[] = {NULL};
static const char *const nice_options[] = {"adjustment", NULL};
static const char *const numactl_options[] = {"interleave",  "preferred",           "preferred-many",
                                              "physcpubind", "cpunodebind",         "cpubind",
                                              "membind",     "weighted-interleave", NULL};
static const char *const time_options[] = {"format", "output", NULL};
static const char *const stdbuf_options[] = {"input", "output", "error", NULL};
static const char *const timeout_options[] = {"kill-after", "signal", NULL};
static const char *const ionice_options[] = {"class", "classdata", NULL};
static const char *const chrt_options[] = {"sched-runtime", "sched-period", "sched-deadline", NULL};

static const struct prefix prefixes[] = {
    {"nice", "n", nice_options, 0, NULL},       {"numactl", "iNCmpPwc", numactl_options, 0, NULL},
    {"taskset", "", no_options, 1, "p"},        {"time", "fo", time_options, 0, NULL},
    {"stdbuf", "ioe", stdbuf_options, 0, NULL}, {"nohup", "", no_options, 0, NULL},
    {"setsid", "", no_options, 0, NULL},        {"timeout", "ks", timeout_options, 1, NULL},
    {"ionice", "cn", ionice_options, 0, "pPu"}, {"chrt", "TPD", chrt_options, 1, "pm"},
};

/* Whether a long option, which may be cut short as getopt allows, takes its value from the next word. */
static bool takes_next(const struct prefix *prefix, const char *option)
{
    if (strchr(option, '='))
        return false;
    for (const char *const *known = prefix->long_options; *known; known++)
        if (strncmp(*known, option, strlen(option)) == 0)
            return true;
    return false;
}

/* How many words an option takes; 0 where with it no command is run. */
static size_t option_words(const struct prefix *prefix, const char *word)
{
    if (word[1] == '-')
        return takes_next(prefix, word + 2) ? 2 : 1;
    for (const char *letter = word + 1; *letter; letter++) {
        if (prefix->other_use && strchr(prefix->other_use, *letter))
            return 0;
        if (strchr(prefix->letters, *letter))
            return letter[1] ? 1 : 2;
    }
    return 1;
}

static int step_over(struct walk *walk, const struct prefix *prefix)
{
    size_t at = walk->at + 1;
    const char *word;
    while ((word = walk_word(walk, at)) && word[0] == '-' && word[1]) {
        if (strcmp(word, "--") == 0) {
            at++;
            break;
        }
        size_t taken = option_words(prefix, word);
        if (taken == 0)
            return WALK_END;
        at += taken;
    }
    walk->at = at + prefix->operands;
    return WALK_ON;
}

/* ---- env ----------------------------------------------------------------------------------------------- */

static int add_variable(struct walk *walk, const char *name, size_t length, const char *value, size_t word)
{
    struct script *script = walk->script;
    struct script_variable *grown =
        reallocarray(script->variables, script->n_variables + 1, sizeof(*script->variables));
    if (!grown)
        return -ENOMEM;
    script->variables = grown;
    CLEANUP(freep) char *name_copy = strndup(name, length);
    CLEANUP(freep) char *value_copy = value ? strdup(value) : NULL;
    if (!name_copy || (value && !value_copy))
        return -ENOMEM;
    script->variables[script->n_variables++] =
        (struct script_variable){.name = TAKE_PTR(name_copy), .value = TAKE_PTR(value_copy), .word = word};
    return 0;
}

/* What was set before is gone too. */
static void clear_environment(struct walk *walk)
{
    struct script *script = walk->script;
    while (script->n_variables > 0) {
        struct script_variable *variable = &script->variables[--script->n_variables];
        free(variable->name);
        free(variable->value);
    }
    script->cleared = true;
}

/*
 * The words of env -S, into `text` itself: blanks separate, quotes keep together. -1 where it has what is not followed
 * here: escapes, variables, comments. At most `most` words.
 */
static int split(char *text, const char **words, size_t most)
{
    size_t n = 0;
    for (;;) {
        text += strspn(text, " \t");
        if (!*text)
            return (int)n;
        if (n == most || *text == '#')
            return -1;
        char *to = text, quote = '\0';
        words[n++] = text;
        for (; *text && (quote || !strchr(" \t", *text)); text++) {
            if (*text == '\\' || *text == '$')
                return -1;
            if (!quote && (*text == '\'' || *text == '"'))
                quote = *text;
            else if (quote && *text == quote)
                quote = '\0';
            else
                *to++ = *text;
        }
        if (quote)
            return -1;
        text += *text ? 1 : 0; /* before *to may become the end */
        *to = '\0';
    }
}

#define MOST_SPLIT_WORDS 64
#define MOST_SPLITS 8

/* Puts the words of env -S in place of the option, n words from `at` on. */
static int expand_split(struct walk *walk, size_t at, size_t n, const char *text)
{
    const char *words[MOST_SPLIT_WORDS];
    CLEANUP(freep) char *copy = strdup(text);
    if (!copy)
        return -ENOMEM;
    int found = split(copy, words, MOST_SPLIT_WORDS);
    if (found < 0 || walk->expansions++ >= MOST_SPLITS)
        return walk_end(walk, "what env -S makes of \"%.60s\" is not followed", text);
    int r = walk_replace(walk, at, n, words, (size_t)found);
    return r < 0 ? r : WALK_ON;
}

/* An option's value: behind it, else the next word. *taken counts the words. */
static const char *value_behind(const struct walk *walk, size_t at, const char *behind, size_t *taken)
{
    *taken = *behind ? 1 : 2;
    return *behind ? behind : walk_word(walk, at + 1);
}

/* One letter of env's short options, the last of its word where it takes a value. As env_option. */
static int env_letter(struct walk *walk, size_t *at, const char *letter, bool *last)
{
    size_t taken;
    const char *value;
    *last = strchr("uCS", *letter) != NULL;
    if (*letter == 'i')
        clear_environment(walk);
    if (!*last)
        return strchr("i0v", *letter) ? WALK_ON : walk_end(walk, "env -%c is not followed", *letter);
    value = value_behind(walk, *at, letter + 1, &taken);
    if (!value)
        return WALK_END;
    if (*letter == 'S')
        return expand_split(walk, *at, taken, value);
    *at += taken;
    if (*letter == 'C') {
        walk->elsewhere = "env -C";
        return WALK_ON;
    }
    return add_variable(walk, value, strlen(value), NULL, *at - 1) < 0 ? -ENOMEM : WALK_ON;
}

static int env_letters(struct walk *walk, size_t *at, const char *word)
{
    bool last = false;
    int r = WALK_ON;
    if (!word[1])
        clear_environment(walk);
    size_t n = strlen(word);
    for (size_t i = 1; i < n && !last && r == WALK_ON; i++)
        r = env_letter(walk, at, word + i, &last); /* after the last one the word may be gone */
    if (r == WALK_ON && !last)
        ++*at;
    return r;
}

static int env_long(struct walk *walk, size_t *at, const char *word)
{
    static const char *const flags[] = {"null",           "debug",         "block-signal",
                                        "default-signal", "ignore-signal", "list-signal-handling"};
    const char *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word), taken = equals ? 1 : 2;
    const char *value = equals ? equals + 1 : walk_word(walk, *at + 1);
    for (size_t i = 0; i < LENGTH(flags); i++)
        if (strlen(flags[i]) == length && strncmp(word, flags[i], length) == 0) {
            ++*at;
            return WALK_ON;
        }
    if (strcmp(word, "ignore-environment") == 0) {
        clear_environment(walk);
        ++*at;
        return WALK_ON;
    }
    if (value && length == 12 && strncmp(word, "split-string", length) == 0)
        return expand_split(walk, *at, taken, value);
    *at += taken;
    if (value && length == 5 && strncmp(word, "chdir", length) == 0) {
        walk->elsewhere = "env --chdir";
        return WALK_ON;
    }
    if (!value || length != 5 || strncmp(word, "unset", length) != 0)
        return walk_end(walk, "env --%.40s is not followed", word);
    return add_variable(walk, value, strlen(value), NULL, *at - 1) < 0 ? -ENOMEM : WALK_ON;
}

static int step_over_env(struct walk *walk)
{
    size_t at = walk->at + 1;
    const char *word, *equals;
    int r = WALK_ON;
    while (r == WALK_ON && (word = walk_word(walk, at)) && word[0] == '-' && strcmp(word, "--") != 0)
        r = strncmp(word, "--", 2) == 0 ? env_long(walk, &at, word + 2) : env_letters(walk, &at, word);
    if (r == WALK_ON && (word = walk_word(walk, at)) && strcmp(word, "--") == 0)
        at++;
    for (; r == WALK_ON && (word = walk_word(walk, at)) && (equals = strchr(word, '=')); at++)
        if (add_variable(walk, word, (size_t)(equals - word), equals + 1, at) < 0)
            r = -ENOMEM;
    if (r == WALK_ON)
        walk->script->env_end = at;
    walk->at = at;
    return r;
}

/* ---- Which it is ----------------------------------------------------------------------------------------- */

int walk_prefix(struct walk *walk)
{
    const char *base = walk_base(walk_word(walk, walk->at));
    if (strcmp(base, "env") == 0)
        return step_over_env(walk);
    for (size_t i = 0; i < LENGTH(prefixes); i++)
        if (strcmp(base, prefixes[i].name) == 0)
            return step_over(walk, &prefixes[i]);
    return -ENOENT;
}
