/*
 * Scalar values: booleans, numbers, names. They disagree with each other on purpose: each is the reading of the
 * code that looks at the variable (facts.yaml names it). Comparisons are of bytes; no locale takes part.
 */
#include "daemon/resolver/parse.h"

#include <string.h>
#include <strings.h>

unsigned parse_native_bool(const char *value)
{
    return strcmp(value, "1") == 0 || strcasecmp(value, "true") == 0 ? ANSWER_TRUE : ANSWER_FALSE;
}

unsigned parse_python_disable(const char *value)
{
    return strcmp(value, "0") == 0 || strcmp(value, "false") == 0 ? ANSWER_FALSE : ANSWER_TRUE;
}

unsigned parse_python_legacy(const char *value)
{
    return strcmp(value, "1") == 0 || strcmp(value, "true") == 0 || strcmp(value, "True") == 0 ? ANSWER_TRUE
                                                                                               : ANSWER_FALSE;
}

unsigned parse_strict_bool(const char *value)
{
    if (strcmp(value, "0") == 0 || strcasecmp(value, "false") == 0)
        return ANSWER_FALSE;
    if (strcmp(value, "1") == 0 || strcasecmp(value, "true") == 0)
        return ANSWER_TRUE;
    return ANSWER_BAD;
}

unsigned parse_native_spelling(const char *value)
{
    return parse_strict_bool(value) == ANSWER_BAD ? SPELLING_MISREAD : SPELLING_READ;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void trim(const char **text, size_t *length)
{
    while (*length && is_blank(**text)) {
        (*text)++;
        (*length)--;
    }
    while (*length && is_blank((*text)[*length - 1]))
        (*length)--;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A decimal number of 64 bits with blanks around it; a '+' before it only where `plus` says so. */
static bool decimal(const char *text, size_t length, bool plus, int64_t *out)
{
    bool negative;
    int64_t number = 0; /* counted downwards: the negative range is the larger one */

    trim(&text, &length);
    negative = length && *text == '-';
    if (negative || (plus && length && *text == '+')) {
        text++;
        length--;
    }
    if (length == 0)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!is_digit(text[i]) || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_sub_overflow(number, text[i] - '0', &number))
            return false;
    }
    if (!negative && number == INT64_MIN)
        return false;
    *out = negative ? number : -number;
    return true;
}

bool parse_int32(const char *text, size_t length, int32_t *out)
{
    int64_t number;

    if (!decimal(text, length, true, &number) || number < INT32_MIN || number > INT32_MAX)
        return false;
    *out = (int32_t)number;
    return true;
}

unsigned parse_native_integer(const char *value)
{
    int64_t number;

    return decimal(value, strlen(value), false, &number) ? INTEGER_VALID : INTEGER_INVALID;
}

/* std::stoi takes blanks, a sign and digits of 32 bits, and whatever follows them. */
static bool begins_with_int(const char *value)
{
    const char *digits;
    int32_t number;
    size_t length;

    while (is_blank(*value))
        value++;
    digits = value + (*value == '-' || *value == '+');
    for (length = (size_t)(digits - value); is_digit(value[length]); length++)
        ;
    return is_digit(*digits) && parse_int32(value, length, &number);
}

unsigned parse_verbose(const char *value)
{
    if (!begins_with_int(value))
        return READ_NEVER;
    return parse_native_integer(value) == INTEGER_VALID ? READ_TWICE : READ_ONCE;
}

unsigned parse_hierarchy(const char *value)
{
    if (strcmp(value, "FLAT") == 0)
        return TREE_FLAT;
    if (strcmp(value, "COMPOSITE") == 0)
        return TREE_COMPOSITE;
    return strcmp(value, "COMBINED") == 0 ? TREE_COMBINED : TREE_OTHER;
}

unsigned parse_backend(const char *value)
{
    if (strcasecmp(value, "cpu") == 0)
        return BACKEND_IS_CPU;
    if (strcasecmp(value, "gpu") == 0)
        return BACKEND_IS_GPU;
    return strcasecmp(value, "auto") == 0 ? BACKEND_IS_AUTO : BACKEND_IS_OTHER;
}

unsigned parse_device_filter(const char *value)
{
    return strcasestr(value, "level_zero") ? FILTER_LEVEL_ZERO : FILTER_OTHER;
}

unsigned parse_keras_backend(const char *value)
{
    /* Keras takes an empty variable as if it were absent. */
    return *value == '\0' || strcmp(value, "tensorflow") == 0 ? KERAS_ON_TENSORFLOW : KERAS_ON_OTHER;
}

static unsigned answer(enum fact_id fact, const char *value)
{
    switch (fact_table[fact].parser) {
    case PARSER_NATIVE_BOOL:
        return parse_native_bool(value);
    case PARSER_PYTHON_DISABLE:
        return parse_python_disable(value);
    case PARSER_PYTHON_LEGACY:
        return parse_python_legacy(value);
    case PARSER_NATIVE_SPELLING:
        return parse_native_spelling(value);
    case PARSER_STRICT_BOOL:
        return parse_strict_bool(value);
    case PARSER_INTEGER:
        return parse_native_integer(value);
    case PARSER_VERBOSE:
        return parse_verbose(value);
    case PARSER_HIERARCHY:
        return parse_hierarchy(value);
    case PARSER_BACKEND:
        return parse_backend(value);
    case PARSER_DEVICE_FILTER:
        return parse_device_filter(value);
    case PARSER_AFFINITY_MASK:
        return parse_affinity_mask(value);
    case PARSER_SELECTOR:
        return parse_selector(value);
    case PARSER_KERAS_BACKEND:
        return parse_keras_backend(value);
    case PARSER_PRESENCE:
    case PARSER_NONE:
    case PARSER_XLA_SOURCE:
    case PARSER_XLA_AUTO_JIT:
    case PARSER_XLA_AUTO_JIT_SET:
    case PARSER_XLA_EXEMPT:
    case PARSER_XLA_DEVICE_API:
    case PARSER_XLA_UNKNOWN:
        break;
    }
    return PRESENCE_SET;
}

uint8_t parse_fact(enum fact_id fact, const char *value)
{
    return fact_table[fact].answers[answer(fact, value)];
}
