/*
 * The parsers of environment values, each exactly as the code that reads the variable. Which variable has which
 * parser is in facts.yaml. value is never NULL: an absent variable is the caller's business.
 */
#ifndef ITEXD_RESOLVER_PARSE_H
#define ITEXD_RESOLVER_PARSE_H

#include "daemon/resolver/facts.h"

/* Answers, in the order in which gen_facts.py maps them to a fact's values. */
enum { ANSWER_FALSE, ANSWER_TRUE, ANSWER_BAD };
enum { SPELLING_READ, SPELLING_MISREAD };
enum { PRESENCE_SET };
enum { INTEGER_VALID, INTEGER_INVALID };
enum { READ_TWICE, READ_ONCE, READ_NEVER };
enum { TREE_FLAT, TREE_COMPOSITE, TREE_COMBINED, TREE_OTHER };
enum { BACKEND_IS_CPU, BACKEND_IS_GPU, BACKEND_IS_AUTO, BACKEND_IS_OTHER };
enum { FILTER_LEVEL_ZERO, FILTER_OTHER };
enum { MASK_EMPTY, MASK_VALID, MASK_ODD, MASK_INVALID };
enum { SELECT_INVALID, SELECT_ALL, SELECT_ORDINALS, SELECT_OTHER };
enum { KERAS_ON_TENSORFLOW, KERAS_ON_OTHER };

unsigned parse_native_bool(const char *value);
unsigned parse_python_disable(const char *value);
unsigned parse_python_legacy(const char *value);
unsigned parse_native_spelling(const char *value);
unsigned parse_strict_bool(const char *value);
unsigned parse_native_integer(const char *value); /* 64 bits, blanks around it, no '+' */
unsigned parse_verbose(const char *value);        /* by std::stoi, and later as parse_native_integer */
unsigned parse_hierarchy(const char *value);
unsigned parse_backend(const char *value);
unsigned parse_device_filter(const char *value);
unsigned parse_affinity_mask(const char *value);
unsigned parse_selector(const char *value);
unsigned parse_keras_backend(const char *value);

/* The value of an environment fact for its variable's text. Not for the parsers of TF_XLA_FLAGS. */
uint8_t parse_fact(enum fact_id fact, const char *value);

/* A decimal number with an optional sign and blanks around it, in 32 bits; as absl::SimpleAtoi. */
bool parse_int32(const char *text, size_t length, int32_t *out);

#endif
