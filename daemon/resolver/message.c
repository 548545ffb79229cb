/*
 * Messages with the job's own values in them. A value is cut at 120 bytes and its control characters become '?',
 * because messages go to terminals and logs; detail and {set} are our own text and stay as they are.
 */
#include "daemon/resolver/explain.h"

#include <string.h>

#define SHOWN_MAX 120u

static const char *piece_text(const struct piece *piece, const struct message_values *values)
{
    const char *value;

    switch (piece->kind) {
    case PIECE_SET:
        return values->named ? values->named : "";
    case PIECE_DETAIL:
        return values->detail ? values->detail : "";
    case PIECE_FACT:
        if (!values->own)
            return "unknown";
        if (fact_table[piece->target].type == FACT_TYPE_TEXT)
            return values->base->texts[piece->target] ? values->base->texts[piece->target] : "unknown";
        return fact_table[piece->target].values[values->own->numbers[piece->target]];
    case PIECE_VARIABLE:
        value = values->own ? values->own->values[piece->target] : NULL;
        if (value == oversized_value)
            return "too long to show";
        return value ? value : "unset";
    case PIECE_TEXT:
        break;
    }
    return piece->text;
}

static bool is_ours(const struct piece *piece)
{
    return piece->kind != PIECE_FACT && piece->kind != PIECE_VARIABLE;
}

/* How much of a foreign value is shown; never half of a UTF-8 character. */
static size_t shown_length(const char *text)
{
    size_t length = strnlen(text, SHOWN_MAX + 1);

    if (length <= SHOWN_MAX)
        return length;
    length = SHOWN_MAX;
    while (length && ((unsigned char)text[length] & 0xc0) == 0x80)
        length--;
    return length;
}

static char *put_piece(char *at, const struct piece *piece, const struct message_values *values)
{
    const char *text = piece_text(piece, values);
    size_t length;

    if (piece->kind == PIECE_TEXT)
        return (char *)memcpy(at, text, piece->target) + piece->target;
    if (is_ours(piece))
        return stpcpy(at, text);
    length = shown_length(text);
    for (size_t i = 0; i < length; i++)
        *at++ = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
    return text[length] ? stpcpy(at, "...") : at;
}

const char *message_write(const struct template *template, const struct message_values *values, struct arena *arena)
{
    size_t size = 1;
    char *start;
    char *at;

    for (size_t i = 0; i < template->n_pieces; i++) {
        const struct piece *piece = &template->pieces[i];

        if (piece->kind == PIECE_TEXT)
            size += piece->target;
        else
            size += is_ours(piece) ? strlen(piece_text(piece, values)) : SHOWN_MAX + 4;
    }
    start = at = arena_alloc(arena, size);
    if (!start)
        return NULL;
    for (size_t i = 0; i < template->n_pieces; i++)
        at = put_piece(at, &template->pieces[i], values);
    *at = '\0';
    return start;
}
