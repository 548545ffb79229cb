/* Tokens, flags and edits of TF_XLA_FLAGS. The text is never changed; tokens are views of it. */
#include "daemon/resolver/xla_flags.h"

#include "daemon/resolver/parse.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

static const char blanks[] = " \t\r\n";

bool xla_value_is_text(const char *value)
{
    return value[strspn(value, blanks)] == '-';
}

static bool is_name_char(char c)
{
    return c == '-' || c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Unquotes what begins at *text (a quote) into out; leaves *text behind the closing quote. Returns the quote
 * where nothing closes it, else 0. In double quotes a backslash takes the next character as it is. */
static char unquote(const char **text, char *out)
{
    char quote = *(*text)++;

    for (; **text && **text != quote; (*text)++) {
        if (quote == '"' && **text == '\\' && (*text)[1])
            (*text)++;
        *out++ = **text;
    }
    *out = '\0';
    if (**text == '\0')
        return quote;
    (*text)++;
    return 0;
}

/* Cuts the next token off *text. values is room for its value; the room used is returned. */
static size_t next_token(const char **text, char *values, struct xla_token *token)
{
    const char *at = *text;
    const char *equals;

    *token = (struct xla_token){.raw = at, .flag = XLA_NO_FLAG};
    while (is_name_char(*at))
        at++;
    if (*at == '=' && (at[1] == '"' || at[1] == '\'')) {
        at++;
        token->open_quote = unquote(&at, values);
        token->value = values;
    } else {
        at += strcspn(at, blanks);
        equals = memchr(token->raw, '=', (size_t)(at - token->raw));
        if (equals) {
            size_t length = (size_t)(at - equals) - 1;

            memcpy(values, equals + 1, length);
            values[length] = '\0';
            token->value = values;
        }
    }
    token->raw_length = (size_t)(at - token->raw);
    *text = at;
    return token->value ? strlen(token->value) + 1 : 0;
}

/* Would scanf's "%d%c" read one number and nothing more? */
static bool scans_as_integer(const char *value)
{
    while (isspace((unsigned char)*value))
        value++;
    if (*value == '-' || *value == '+')
        value++;
    return *value && value[strspn(value, "0123456789")] == '\0';
}

static bool read_auto_jit(const char *value, int32_t *level)
{
    static const char prefix[] = "single-gpu(";
    size_t length = strlen(value);

    if (parse_int32(value, length, level))
        return true;
    if (strcmp(value, "fusible") == 0) {
        *level = 1;
        return true;
    }
    if (strncmp(value, prefix, sizeof prefix - 1) != 0 || value[length - 1] != ')')
        return false;
    return parse_int32(value + sizeof prefix - 1, length - sizeof prefix, level);
}

/* TensorFlow 2.16 also takes 1 and 0. */
static bool read_bool(const char *value, unsigned generation, bool *on)
{
    *on = strcasecmp(value, "true") == 0 || (generation == GENERATION_NEWEST && strcmp(value, "1") == 0);
    return *on || strcasecmp(value, "false") == 0 || (generation == GENERATION_NEWEST && strcmp(value, "0") == 0);
}

static void read_value(const struct xla_flag_def *def, unsigned generation, struct xla_token *token)
{
    switch (def->type) {
    case XLA_FLAG_BOOL:
        token->readable = read_bool(token->value, generation, &token->on);
        break;
    case XLA_FLAG_INT32:
    case XLA_FLAG_INT64:
        token->readable = scans_as_integer(token->value);
        break;
    case XLA_FLAG_AUTO_JIT:
        token->readable = read_auto_jit(token->value, &token->level);
        break;
    case XLA_FLAG_STRING:
        token->readable = true;
        break;
    }
}

/* Tries one flag on a token. */
static bool match_flag(const struct xla_flag_def *def, unsigned generation, struct xla_token *token)
{
    size_t length = strlen(def->name);
    char behind;

    if (token->raw_length < length + 2 || memcmp(token->raw + 2, def->name, length) != 0)
        return false;
    behind = token->raw_length == length + 2 ? '\0' : token->raw[length + 2];
    if (behind == '=') {
        read_value(def, generation, token);
        return true;
    }
    if (def->type != XLA_FLAG_BOOL)
        return false;
    if (behind == '\0') {
        token->readable = token->on = true;
        return true;
    }
    /* A longer name: up to 2.15 this flag takes it for its own and cannot read the rest. */
    token->readable = false;
    return generation != GENERATION_NEWEST;
}

static void find_flag(const struct xla_flags *flags, unsigned generation, struct xla_token *token)
{
    if (token->raw_length < 2 || token->raw[0] != '-' || token->raw[1] != '-')
        return;
    for (size_t i = 0; i < flags->n_defs; i++) {
        if (!(flags->defs[i].generations & (1u << generation)))
            continue;
        if (match_flag(&flags->defs[i], generation, token)) {
            token->flag = (int)i;
            return;
        }
    }
}

static size_t most_tokens(const char *text)
{
    size_t dashes = 0;

    for (; *text; text++)
        dashes += *text == '-';
    return dashes;
}

static bool is_word(const struct xla_token *token, const char *word)
{
    return token->raw_length == strlen(word) && memcmp(token->raw, word, token->raw_length) == 0;
}

static void judge(struct xla_parse *parse)
{
    const struct xla_token *first_unknown = NULL;
    bool all_readable = true;

    for (size_t i = 0; i < parse->n_tokens; i++) {
        const struct xla_token *token = &parse->tokens[i];

        if (token->flag != XLA_NO_FLAG)
            all_readable &= token->readable;
        else if (!first_unknown)
            first_unknown = token;
    }
    parse->fatal = first_unknown && all_readable && !is_word(first_unknown, "--help");
}

int xla_parse(const struct xla_flags *flags, const char *text, unsigned generation, struct arena *arena,
              struct xla_parse *out)
{
    size_t most = most_tokens(text);
    struct xla_token *tokens = arena_array(arena, most, sizeof *tokens);
    /* A value is never longer than its token, which has a dash and '=' more. */
    char *values = arena_alloc(arena, strlen(text) + 1);
    bool passed_over = false;
    size_t n = 0;

    if (!tokens || !values)
        return -ENOMEM;
    text += strspn(text, blanks);
    while (*text == '-') {
        struct xla_token *token = &tokens[n++];

        values += next_token(&text, values, token);
        passed_over |= is_word(token, "--");
        token->passed_over = passed_over;
        if (!passed_over)
            find_flag(flags, generation, token);
        text += strspn(text, blanks);
    }
    *out = (struct xla_parse){.tokens = tokens, .n_tokens = n};
    judge(out);
    return 0;
}

const struct xla_token *xla_setting(const struct xla_parse *parse, int flag)
{
    for (size_t i = parse->n_tokens; i > 0; i--)
        if (parse->tokens[i - 1].flag == flag && parse->tokens[i - 1].readable)
            return &parse->tokens[i - 1];
    return NULL;
}

bool xla_names_flag(const struct xla_parse *parse, int flag)
{
    for (size_t i = 0; i < parse->n_tokens; i++)
        if (parse->tokens[i].flag == flag)
            return true;
    return false;
}

bool xla_has_unknown(const struct xla_parse *parse)
{
    return xla_names_flag(parse, XLA_NO_FLAG);
}

bool xla_in_effect(const struct xla_flags *flags, const struct xla_parse *parse, int flag, const char *value)
{
    const struct xla_token *setting;
    int32_t level;

    if (!value)
        return !xla_names_flag(parse, flag);
    setting = xla_setting(parse, flag);
    if (!setting)
        return false;
    switch (flags->defs[flag].type) {
    case XLA_FLAG_BOOL:
        return setting->on == (strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0);
    case XLA_FLAG_AUTO_JIT:
        return read_auto_jit(value, &level) && level == setting->level;
    case XLA_FLAG_STRING:
    case XLA_FLAG_INT32:
    case XLA_FLAG_INT64:
        break;
    }
    return strcmp(setting->value, value) == 0;
}

/* Writes a token as it was, but closed: an open quote would swallow whatever is written behind it. */
static char *put_token(char *at, const struct xla_token *token)
{
    size_t escapes = 0;

    memcpy(at, token->raw, token->raw_length);
    at += token->raw_length;
    if (!token->open_quote)
        return at;
    /* A single backslash at the end stood for itself; before a quote it would not. */
    while (token->open_quote == '"' && escapes < token->raw_length && at[-1 - (ptrdiff_t)escapes] == '\\')
        escapes++;
    if (escapes % 2)
        *at++ = '\\';
    *at++ = token->open_quote;
    return at;
}

static bool kept(const struct xla_token *token, int flag, bool known_only)
{
    if (flag != XLA_NO_FLAG && (token->flag == flag || token->passed_over))
        return false;
    return !known_only || token->flag != XLA_NO_FLAG;
}

int xla_edit(const struct xla_flags *flags, const struct xla_parse *parse, int flag, const char *value, bool known_only,
             struct arena *arena, const char **text)
{
    size_t size = 1;
    char *start;
    char *at;

    for (size_t i = 0; i < parse->n_tokens; i++)
        size += parse->tokens[i].raw_length + 3;
    if (value)
        size += strlen(flags->defs[flag].name) + strlen(value) + 4;
    start = at = arena_alloc(arena, size);
    if (!start)
        return -ENOMEM;
    for (size_t i = 0; i < parse->n_tokens; i++) {
        if (!kept(&parse->tokens[i], flag, known_only))
            continue;
        if (at > start)
            *at++ = ' ';
        at = put_token(at, &parse->tokens[i]);
    }
    if (value) {
        at = stpcpy(at, at > start ? " --" : "--");
        at = stpcpy(at, flags->defs[flag].name);
        *at++ = '=';
        at = stpcpy(at, value);
    }
    *at = '\0';
    *text = at > start ? start : NULL;
    return 0;
}

int xla_flag_by_name(const struct xla_flags *flags, const char *name)
{
    for (size_t i = 0; i < flags->n_defs; i++)
        if (strcmp(flags->defs[i].name, name) == 0)
            return (int)i;
    return XLA_NO_FLAG;
}
