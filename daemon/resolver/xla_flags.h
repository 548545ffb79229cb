/*
 * TF_XLA_FLAGS as TensorFlow itself reads it, and edits that leave everything else of it as it was.
 *
 * The odd corners are real, measured on TensorFlow 2.14.1, 2.15.1 and 2.16.2: a value is read up to the first
 * word without a dash; quotes count only right after '='; where any known flag's value cannot be read (or the first
 * unknown word is --help), unknown flags are not fatal; up to 2.15 a boolean flag swallows every longer name that
 * begins with its own, and only 2.16 takes 1 and 0 for booleans.
 */
#ifndef ITEXD_RESOLVER_XLA_FLAGS_H
#define ITEXD_RESOLVER_XLA_FLAGS_H

#include "daemon/resolver/arena.h"
#include "daemon/resolver/facts.h"
#include "daemon/resolver/rule_set.h"

#define XLA_NO_FLAG (-1)

struct xla_token {
    const char *raw; /* as it stands in the text */
    size_t raw_length;
    const char *value; /* behind '=', unquoted; NULL: no '=' */
    int flag;          /* index of its flag, XLA_NO_FLAG: unknown */
    bool readable;     /* TensorFlow can read its value */
    bool on;           /* what it says, for a boolean ... */
    int32_t level;     /* ... and for auto_jit */
    bool passed_over;  /* from "--" on: TensorFlow does not look at it */
    char open_quote;   /* the quote that nothing closes, or 0 */
};

struct xla_parse {
    const struct xla_token *tokens;
    size_t n_tokens;
    bool fatal; /* TensorFlow dies at an unknown flag */
};

/* The flags that may be given, a set's own list. */
struct xla_flags {
    const struct xla_flag_def *defs;
    size_t n_defs;
};

/* Does a value that is not empty hold flags (and not the name of a file with flags)? */
bool xla_value_is_text(const char *value);

/* Reads the text of flags for a generation (enum generation). Tokens point into text. 0 or -ENOMEM. */
int xla_parse(const struct xla_flags *flags, const char *text, unsigned generation, struct arena *arena,
              struct xla_parse *out);

/* The last readable setting of a flag, NULL where there is none. */
const struct xla_token *xla_setting(const struct xla_parse *parse, int flag);
bool xla_names_flag(const struct xla_parse *parse, int flag);
bool xla_has_unknown(const struct xla_parse *parse);

/* Does the flag have this value in effect already (NULL: is it absent)? Compared by meaning. */
bool xla_in_effect(const struct xla_flags *flags, const struct xla_parse *parse, int flag, const char *value);

/*
 * The text with one flag changed: every token of `flag` and those that are passed over dropped, then --name=value
 * appended unless value is NULL. flag XLA_NO_FLAG changes none; known_only also drops what TensorFlow does not know.
 * *text is NULL where nothing is left. 0 or -ENOMEM.
 */
int xla_edit(const struct xla_flags *flags, const struct xla_parse *parse, int flag, const char *value, bool known_only,
             struct arena *arena, const char **text);

int xla_flag_by_name(const struct xla_flags *flags, const char *name);

#endif
