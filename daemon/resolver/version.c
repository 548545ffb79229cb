/*
 * Versions. A part is a number and what follows it up to the next '.'; letters after the number make a
 * pre-release (a, b, c, rc, dev), which comes before the bare number, anything else comes after it. A local
 * version ("+cpu") does not count. Limits: a part above 999999999 counts as that, a bound has at most 63 bytes.
 */
#include "daemon/resolver/version.h"

#include <stddef.h>
#include <string.h>

#define BOUND_MAX 63u

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool version_valid(const char *text)
{
    if (strcmp(text, VERSION_NEWEST) == 0)
        return true;
    return is_digit(*text) &&
           text[strspn(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.+-_!")] == '\0';
}

/* One part; tag is -1 for a pre-release, 1 for a post-release, 0 for neither. */
struct part {
    unsigned number;
    int tag;
    unsigned tag_number;
};

static unsigned read_number(const char **text)
{
    unsigned number = 0;

    for (; is_digit(**text); (*text)++)
        if (number < 99999999)
            number = number * 10 + (unsigned)(**text - '0');
    return number;
}

static bool is_separator(char c)
{
    return c == '.' || c == '-' || c == '_';
}

static struct part next_part(const char **text)
{
    struct part part = {0, 0, 0};

    while (is_separator(**text))
        (*text)++;
    if (**text == '\0' || **text == '+')
        return part;
    part.number = read_number(text);
    if (**text && !is_separator(**text) && **text != '+') {
        part.tag = strncmp(*text, "post", 4) == 0 ? 1 : -1;
        while (**text && !is_digit(**text) && !is_separator(**text) && **text != '+')
            (*text)++;
        part.tag_number = read_number(text);
        while (**text && !is_separator(**text) && **text != '+')
            (*text)++;
    }
    return part;
}

static int order(unsigned a, unsigned b)
{
    return (a > b) - (a < b);
}

int version_compare(const char *a, const char *b)
{
    bool a_newest = strcmp(a, VERSION_NEWEST) == 0;
    bool b_newest = strcmp(b, VERSION_NEWEST) == 0;

    if (a_newest || b_newest)
        return a_newest - b_newest;
    while ((*a && *a != '+') || (*b && *b != '+')) {
        struct part left = next_part(&a);
        struct part right = next_part(&b);
        int sign = order(left.number, right.number);

        if (sign == 0)
            sign = (left.tag > right.tag) - (left.tag < right.tag);
        if (sign == 0)
            sign = order(left.tag_number, right.tag_number);
        if (sign)
            return sign;
    }
    return 0;
}

bool version_names_generation(const char *text)
{
    if (!version_valid(text) || strcmp(text, VERSION_NEWEST) == 0)
        return version_valid(text);
    text += strspn(text, "0123456789");
    return *text == '.' && is_digit(text[1]);
}

bool version_major_minor(const char *text, unsigned *major, unsigned *minor)
{
    if (!version_valid(text) || strcmp(text, VERSION_NEWEST) == 0)
        return false;
    *major = next_part(&text).number;
    *minor = next_part(&text).number;
    return true;
}

enum bound_kind { BOUND_LESS, BOUND_LESS_EQUAL, BOUND_GREATER, BOUND_GREATER_EQUAL, BOUND_EQUAL, BOUND_NOT_EQUAL };

struct bound {
    enum bound_kind kind;
    bool prefix; /* ended in ".*" */
    char version[BOUND_MAX + 1];
};

/* What people write by hand: a part that is no number is a slip. */
static bool is_bound_version(const char *version)
{
    for (const char *dot = strchr(version, '.'); dot; dot = strchr(dot + 1, '.'))
        if (!is_digit(dot[1]))
            return false;
    return version_valid(version);
}

/* Reads one bound and moves *text behind it and its comma; false where it is none, or where a comma ends the text. */
static bool next_bound(const char **text, struct bound *bound)
{
    static const char *const operators[] = {"<=", ">=", "==", "!=", "<", ">"};
    static const enum bound_kind kinds[] = {BOUND_LESS_EQUAL, BOUND_GREATER_EQUAL, BOUND_EQUAL,
                                            BOUND_NOT_EQUAL,  BOUND_LESS,          BOUND_GREATER};
    size_t which = 0;
    size_t length;

    *text += strspn(*text, " ");
    while (which < sizeof kinds / sizeof *kinds && strncmp(*text, operators[which], strlen(operators[which])) != 0)
        which++;
    if (which == sizeof kinds / sizeof *kinds)
        return false;
    bound->kind = kinds[which];
    *text += strlen(operators[which]);
    *text += strspn(*text, " ");
    length = strcspn(*text, ", ");
    if (length == 0 || length > BOUND_MAX)
        return false;
    memcpy(bound->version, *text, length);
    bound->version[length] = '\0';
    bound->prefix = length > 2 && strcmp(bound->version + length - 2, ".*") == 0;
    if (bound->prefix)
        bound->version[length - 2] = '\0';
    *text += length;
    *text += strspn(*text, " ");
    if (**text == ',' ? !*++*text : **text)
        return false;
    return is_bound_version(bound->version) && (!bound->prefix || bound->kind >= BOUND_EQUAL);
}

bool version_bounds_valid(const char *bounds)
{
    struct bound bound;

    do {
        if (!next_bound(&bounds, &bound))
            return false;
    } while (*bounds);
    return true;
}

static bool has_prefix(const char *text, const char *prefix)
{
    while (*prefix && *prefix != '+') {
        struct part left = next_part(&text);
        struct part right = next_part(&prefix);

        if (left.number != right.number || left.tag != right.tag)
            return false;
    }
    return true;
}

static bool within(const char *text, const struct bound *bound)
{
    int sign;

    if (bound->prefix)
        return (strcmp(text, VERSION_NEWEST) != 0 && has_prefix(text, bound->version)) == (bound->kind == BOUND_EQUAL);
    sign = version_compare(text, bound->version);
    switch (bound->kind) {
    case BOUND_LESS:
        return sign < 0;
    case BOUND_LESS_EQUAL:
        return sign <= 0;
    case BOUND_GREATER:
        return sign > 0;
    case BOUND_GREATER_EQUAL:
        return sign >= 0;
    case BOUND_EQUAL:
        return sign == 0;
    case BOUND_NOT_EQUAL:
        break;
    }
    return sign != 0;
}

bool version_within(const char *text, const char *bounds)
{
    struct bound bound;

    if (!version_valid(text))
        return false;
    while (*bounds) {
        if (!next_bound(&bounds, &bound) || !within(text, &bound))
            return false;
    }
    return true;
}
