/* What the resolver's suites share: rule sets from C structs, one-line resolutions, and questions to a result. */
#ifndef TESTS_RESOLVER_FIXTURE_H
#define TESTS_RESOLVER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/resolver/facts.h"
#include "daemon/resolver/resolver.h"

#define N(array) (sizeof(array) / sizeof *(array))
#define ALL_GENERATIONS (1u << GENERATION_2_14 | 1u << GENERATION_2_15 | 1u << GENERATION_NEWEST)

/* fact, values...: WHEN("keras", "2", "3") */
#define WHEN(fact_name, ...)                                                                                           \
    {                                                                                                                  \
        .fact = (fact_name), .values = (const char *const[]){__VA_ARGS__},                                             \
        .n_values = N(((const char *const[]){__VA_ARGS__}))                                                            \
    }
#define CLAUSE(...)                                                                                                    \
    {                                                                                                                  \
        .conditions = (const struct rule_condition[]){__VA_ARGS__},                                                    \
        .n_conditions = N(((const struct rule_condition[]){__VA_ARGS__}))                                              \
    }
#define ANY(...)                                                                                                       \
    .any = (const struct rule_clause[]){__VA_ARGS__}, .n_any = N(((const struct rule_clause[]){__VA_ARGS__}))
#define UNLESS(...)                                                                                                    \
    .unless = (const struct rule_clause[]){__VA_ARGS__}, .n_unless = N(((const struct rule_clause[]){__VA_ARGS__}))
#define ACTIONS(...)                                                                                                   \
    .actions = (const struct rule_action[]){__VA_ARGS__}, .n_actions = N(((const struct rule_action[]){__VA_ARGS__}))
#define RULE(name, level, result)                                                                                      \
    .id = (name), .severity = (level), .outcome = (result), .stage = STAGE_RUN, .generations = ALL_GENERATIONS,        \
    .message = "", .source = "test"

/* Compiles and fails the test where that fails. Every set also knows a few of TensorFlow's flags. */
struct rule_set *set_of(const struct rule_def *rules, size_t n);

/* Why these rules do not compile; fails the test where they do. Static storage. */
const char *compile_failure(const struct rule_def *rules, size_t n);

extern const struct xla_flag_def some_flags[];
extern const size_t n_some_flags;

/*
 * Resolves "NAME=VALUE ..." words: names in capitals are variables, the others declared facts; NAME=@ stands for an
 * empty value, '_' within a value of a variable for a blank where it is written as "~". The strings must outlive
 * result.
 */
void resolve_words(const struct rule_set *set, const char *words, struct resolution *result);
void resolve_words_with(const struct rule_set *set, const char *words, const struct resolve_input *more,
                        struct resolution *result);

const struct diagnostic *diagnostic_of(const struct resolution *result, const char *rule);

/* The change of a variable: its new value, "unset", or NULL where it is not changed. */
const char *change_of(const struct resolution *result, const char *name);
bool has_obligation(const struct resolution *result, const char *token);
const char *fact_of(const struct resolution *result, const char *name);

/* Everything in env as "NAME=VALUE NAME2", unset ones without '='. Static storage. */
const char *env_line(const struct resolution *result);
const char *rules_line(const struct resolution *result);
const char *unknown_line(const struct resolution *result);

#endif
