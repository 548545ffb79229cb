/* Solutions and texts: what a rule does to a job's environment, and what it says to its owner. */
#include "daemon/resolver/facts.h"
#include "daemon/resolver/variables.h"
#include "daemon/rules/rule_check.h"

#include <string.h>

#define FLAGS_VARIABLE "TF_XLA_FLAGS"
#define INSTALL_PREFIX "install:"

enum { MAX_MESSAGE = 1000, MAX_SOLUTION_TEXT = 500, MAX_SOURCE = 300, MAX_VALUE = 4096 };

static void check_variable(const struct rule_check *check, const struct yaml_text *name)
{
    if (!variable_settable(name->text))
        yaml_error(check->messages, name->place,
                   "the variable \"%.*s\" may not be set or unset by rules; only variables of ITEX, TensorFlow, "
                   "Level Zero, SYCL, OpenMP and oneCCL may (ITEX_*, TF_*, ZE_*, SYCL_* ...)",
                   yaml_shown(name->text), name->text);
}

static void check_set(const struct rule_check *check, const struct solution_record *solution)
{
    for (size_t i = 0; i < solution->set.n_items; i++) {
        const struct yaml_pair *pair = &solution->set.items[i];
        const struct yaml_text *value = rule_check_single(check, pair);

        check_variable(check, &pair->key);
        if (strcmp(pair->key.text, FLAGS_VARIABLE) == 0)
            yaml_error(check->messages, pair->key.place,
                       "TF_XLA_FLAGS as a whole belongs to the job; change single flags by xla_flag");
        if (value && (strchr(value->text, '\n') || strlen(value->text) > MAX_VALUE))
            yaml_error(check->messages, value->place, "a value must be one line of %d bytes at most", MAX_VALUE);
        for (size_t j = 0; j < solution->unset.n_items; j++)
            if (strcmp(solution->unset.items[j].text, pair->key.text) == 0)
                yaml_error(check->messages, solution->unset.items[j].place,
                           "\"%s\" is both set and unset by one solution", pair->key.text);
    }
    for (size_t i = 0; i < solution->unset.n_items; i++)
        check_variable(check, &solution->unset.items[i]);
}

static const struct xla_flag_record *find_flag(const struct rules *rules, const char *name)
{
    for (size_t i = 0; i < rules->n_files; i++) {
        const struct xla_flag_record *flags = RECORDS(rules->files[i].xla_flags, xla_flag_record);
        for (size_t j = 0; j < rules->files[i].xla_flags.n_items; j++)
            if (flags[j].name.text && strcmp(flags[j].name.text, name) == 0)
                return &flags[j];
    }
    return NULL;
}

static const struct xla_flag_record *check_flag_exists(const struct rule_check *check, const struct yaml_text *name)
{
    const struct xla_flag_record *flag = find_flag(check->rules, name->text);

    if (!flag)
        yaml_error(check->messages, name->place,
                   "TensorFlow has no flag \"%.*s\" in TF_XLA_FLAGS; xla_flags of this set lists those it has",
                   yaml_shown(name->text), name->text);
    return flag;
}

static bool is_number(const char *text)
{
    text += *text == '-';
    return *text && text[strspn(text, "0123456789")] == '\0' && strlen(text) <= 18;
}

static void check_flag(const struct rule_check *check, const struct yaml_pair *pair)
{
    const struct yaml_text *value = rule_check_single(check, pair);
    const struct xla_flag_record *flag = check_flag_exists(check, &pair->key);
    bool valid;

    if (!flag || !value)
        return;
    if (flag->type == XLA_FLAG_BOOL)
        valid = strcmp(value->text, "true") == 0 || strcmp(value->text, "false") == 0;
    else if (flag->type == XLA_FLAG_STRING)
        valid = value->text[strcspn(value->text, " \t\r\n\"'\\")] == '\0';
    else
        valid = is_number(value->text);
    if (!valid)
        yaml_error(check->messages, value->place, "the flag \"%s\" cannot be \"%.*s\"; it needs %s", pair->key.text,
                   yaml_shown(value->text), value->text,
                   flag->type == XLA_FLAG_BOOL     ? "true or false"
                   : flag->type == XLA_FLAG_STRING ? "a text without blanks, quotes and backslashes"
                                                   : "a whole number");
}

/* Tokens that the job's side understands: those of the table of facts, and any distribution to install. */
static void check_obligation(const struct rule_check *check, const struct yaml_text *token)
{
    const char *names[32], *nearest;
    size_t n = 0;

    for (size_t i = 0; i < n_fact_obligations; i++) {
        if (strcmp(fact_obligations[i].token, token->text) == 0)
            return;
        if (n < sizeof(names) / sizeof(names[0]))
            names[n++] = fact_obligations[i].token;
    }
    if (strncmp(token->text, INSTALL_PREFIX, strlen(INSTALL_PREFIX)) == 0 &&
        token->text[strlen(INSTALL_PREFIX)] != '\0' && !strpbrk(token->text, " \t\n"))
        return;
    nearest = yaml_nearest(token->text, names, n);
    yaml_error(check->messages, token->place, "there is no obligation \"%.*s\"; %s%s%s", yaml_shown(token->text),
               token->text, nearest ? "did you mean \"" : "facts.yaml lists them", nearest ? nearest : "",
               nearest ? "\"?" : ", and install:NAME");
}

static bool has_action(const struct solution_record *solution)
{
    return solution->set.n_items || solution->unset.n_items || solution->xla_flag.n_items ||
           solution->drop_xla_flag.n_items || solution->drop_unknown_flags || solution->inline_flags_file ||
           solution->obligation.n_items;
}

static void check_part(const struct rule_check *check, const struct solution_record *solution)
{
    if (!has_action(solution))
        yaml_error(check->messages, solution->place,
                   "a solution that does nothing; give it set, unset, xla_flag, drop_xla_flag, drop_unknown_flags, "
                   "inline_flags_file or obligation");
    rule_check_clause(check, &solution->when);
    check_set(check, solution);
    for (size_t i = 0; i < solution->xla_flag.n_items; i++)
        check_flag(check, &solution->xla_flag.items[i]);
    for (size_t i = 0; i < solution->drop_xla_flag.n_items; i++)
        check_flag_exists(check, &solution->drop_xla_flag.items[i]);
    for (size_t i = 0; i < solution->obligation.n_items; i++)
        check_obligation(check, &solution->obligation.items[i]);
}

void rule_check_solution(const struct rule_check *check, const struct rule_record *rule)
{
    const struct solution_record *parts = RECORDS(rule->solution, solution_record);
    bool forbids = rule->severity == SEVERITY_ERROR || rule->severity == SEVERITY_UNSUPPORTED;

    for (size_t i = 0; i < rule->solution.n_items; i++)
        check_part(check, &parts[i]);
    if (rule->solution.n_items > 0 && rule->severity == SEVERITY_INFO)
        yaml_error(check->messages, rule->solution.place,
                   "an info rule has no solution; make it a warning or leave "
                   "the solution out");
    else if (rule->solution.n_items > 0 && rule->service)
        yaml_error(check->messages, rule->solution.place, "a service rule has no solution; it is only reported");
    else if (rule->solution.n_items == 0 && forbids && !rule->solution_text.text && !rule->service)
        yaml_warning(check->messages, rule->place,
                     "rule \"%s\" forbids and has neither solution nor solution_text: jobs are rejected and not told "
                     "what to do",
                     rule->id.text ? rule->id.text : "");
}

static bool brace_known(const struct rule_record *rule, const char *name)
{
    if (strcmp(name, "set") == 0 || (rule->service && strcmp(name, "detail") == 0))
        return true;
    return fact_by_name(name) >= 0 || variable_collected(name);
}

static void check_braces(const struct rule_check *check, const struct rule_record *rule, const struct yaml_text *text)
{
    const char *at = text->text;

    while ((at = strpbrk(at, "{}")) != NULL) {
        size_t length = strcspn(at + 1, "{}");
        char name[64];

        if (*at == '}' || at[1 + length] != '}' || length == 0 || length >= sizeof(name)) {
            yaml_error(check->messages, text->place, "braces hold the name of a fact or variable: {keras}, {set}");
            return;
        }
        memcpy(name, at + 1, length);
        name[length] = '\0';
        if (!brace_known(rule, name))
            yaml_error(check->messages, text->place, "{%s} is neither a fact nor a variable that is collected", name);
        at += length + 2;
    }
}

static void check_text(const struct rule_check *check, const struct yaml_text *text, const char *key, size_t limit)
{
    if (text->text && strlen(text->text) > limit)
        yaml_error(check->messages, text->place, "\"%s\" is longer than %zu bytes", key, limit);
}

void rule_check_texts(const struct rule_check *check, const struct rule_record *rule)
{
    check_text(check, &rule->message, "message", MAX_MESSAGE);
    check_text(check, &rule->solution_text, "solution_text", MAX_SOLUTION_TEXT);
    check_text(check, &rule->source, "source", MAX_SOURCE);
    if (rule->message.text)
        check_braces(check, rule, &rule->message);
    if (rule->solution_text.text)
        check_braces(check, rule, &rule->solution_text);
}
