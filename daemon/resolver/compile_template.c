/*
 * Messages: text with {NAME} for the job's own value of a fact or variable, {set} for the variables behind the
 * conditions that hold, {detail} in service rules. "{{" is a brace.
 */
#include "daemon/resolver/compile.h"
#include "daemon/resolver/variables.h"

#include <errno.h>
#include <string.h>

#define NAME_MAX_LENGTH 63u

/* Cuts the next piece off *text: plain text, or the name between braces. False at the end. */
static bool next_piece(const char **text, bool *braces, const char **start, size_t *length)
{
    const char *close = **text == '{' ? strchr(*text, '}') : NULL;

    if (**text == '\0')
        return false;
    *braces = close && (*text)[1] != '{';
    if (*braces) {
        *start = *text + 1;
        *length = (size_t)(close - *start);
        *text = close + 1;
        return true;
    }
    *text += **text == '{' && (*text)[1] == '{';
    *start = *text;
    *length = 1 + strcspn(*text + 1, "{");
    *text += *length;
    return true;
}

static bool is_word(const char *start, size_t length, const char *word)
{
    return length == strlen(word) && memcmp(start, word, length) == 0;
}

static int fact_of(const char *start, size_t length)
{
    char name[NAME_MAX_LENGTH + 1];

    if (length > NAME_MAX_LENGTH)
        return -1;
    memcpy(name, start, length);
    name[length] = '\0';
    return fact_by_name(name);
}

static bool is_own_word(const char *start, size_t length)
{
    return is_word(start, length, "set") || is_word(start, length, "detail") || fact_of(start, length) >= 0;
}

int template_names(const char *text, int (*visit)(void *userdata, const char *name, size_t length), void *userdata)
{
    bool braces;
    const char *start;
    size_t length;
    int r = 0;

    while (r == 0 && next_piece(&text, &braces, &start, &length))
        if (braces && !is_own_word(start, length))
            r = visit(userdata, start, length);
    return r;
}

static int compile_name(struct compiler *c, const char *start, size_t length, bool service, struct piece *out)
{
    char name[NAME_MAX_LENGTH + 1];

    if (length > NAME_MAX_LENGTH)
        return compile_error(c, "a name in braces with more than %u letters", NAME_MAX_LENGTH);
    memcpy(name, start, length);
    name[length] = '\0';
    if (strcmp(name, "set") == 0) {
        out->kind = PIECE_SET;
    } else if (strcmp(name, "detail") == 0) {
        out->kind = PIECE_DETAIL;
        if (!service)
            return compile_error(c, "{detail} is for service rules only");
    } else if (fact_by_name(name) >= 0) {
        out->kind = PIECE_FACT;
        out->target = (uint32_t)fact_by_name(name);
    } else if (variable_collected(name)) {
        out->kind = PIECE_VARIABLE;
        out->target = (uint32_t)rule_set_variable(c->set, name);
    } else {
        return compile_error(c, "{%s} is neither a fact nor a variable that jobs send", name);
    }
    return 0;
}

static size_t most_pieces(const char *text)
{
    size_t braces = 0;

    for (; *text; text++)
        braces += *text == '{';
    return 2 * braces + 1;
}

int compile_template(struct compiler *c, const char *text, bool service, struct template *out)
{
    struct piece *pieces;
    bool braces;
    const char *start;
    size_t length;

    if (!text) {
        out->absent = true;
        return 0;
    }
    text = arena_strdup(&c->set->arena, text);
    pieces = text ? arena_array(&c->set->arena, most_pieces(text), sizeof *pieces) : NULL;
    if (!pieces)
        return -ENOMEM;
    while (next_piece(&text, &braces, &start, &length)) {
        struct piece *piece = &pieces[out->n_pieces++];
        int r = 0;

        *piece = (struct piece){.kind = PIECE_TEXT, .text = start, .target = (uint32_t)length};
        if (braces)
            r = compile_name(c, start, length, service, piece);
        if (r < 0)
            return r;
        out->names_set |= piece->kind == PIECE_SET;
    }
    out->pieces = pieces;
    return 0;
}
