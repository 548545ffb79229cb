/* What a scalar's text means as a number, a size, a duration or a truth value. Locale-free; nothing is rounded. */
#include "daemon/yaml/yaml_table.h"

#include <errno.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit sizes[] = {{"", 1}, {"KiB", 1u << 10}, {"MiB", 1u << 20}, {"GiB", 1u << 30}};
static const struct unit durations[] = {{"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}, {"d", 86400000}};

int yaml_parse_bool(const char *text, bool *value, const char **why)
{
    *why = "must be true or false";
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return -EINVAL;
    *value = text[0] == 't';
    return 0;
}

/* Reads digits; *end is behind them. */
static int parse_digits(const char *text, uint64_t *value, const char **end)
{
    uint64_t number = 0;

    if (*text < '0' || *text > '9')
        return -EINVAL;
    for (; *text >= '0' && *text <= '9'; text++)
        if (__builtin_mul_overflow(number, 10u, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*text - '0'), &number))
            return -EINVAL;
    *value = number;
    *end = text;
    return 0;
}

int yaml_parse_unsigned(const char *text, uint64_t *value, const char **why)
{
    const char *end;
    uint64_t number;

    *why = "must be a whole number";
    if (parse_digits(text, &number, &end) < 0 || *end != '\0')
        return -EINVAL;
    *value = number;
    return 0;
}

static int parse_with_unit(const char *text, const struct unit *units, size_t n, uint64_t *value)
{
    const char *end;
    uint64_t number;

    if (parse_digits(text, &number, &end) < 0)
        return -EINVAL;
    while (*end == ' ')
        end++;
    for (size_t i = 0; i < n; i++)
        if (strcmp(end, units[i].name) == 0)
            return __builtin_mul_overflow(number, units[i].factor, value) ? -EINVAL : 0;
    return -EINVAL;
}

int yaml_parse_size(const char *text, uint64_t *value, const char **why)
{
    *why = "must be a size: a whole number of bytes, or with KiB, MiB or GiB";
    return parse_with_unit(text, sizes, sizeof(sizes) / sizeof(sizes[0]), value);
}

int yaml_parse_duration(const char *text, uint64_t *value, const char **why)
{
    *why = "must be a duration: a whole number with ms, s, min, h or d";
    if (strcmp(text, "0") == 0) {
        *value = 0;
        return 0;
    }
    return parse_with_unit(text, durations, sizeof(durations) / sizeof(durations[0]), value);
}

/* How many characters must be put in, taken out or replaced; `enough` where it is that or more. */
static size_t edit_distance(const char *a, const char *b, size_t enough)
{
    enum { LONGEST = 64 };
    size_t row[LONGEST + 1], length_a = strlen(a), length_b = strlen(b);

    if (length_a > LONGEST || length_b > LONGEST)
        return enough;
    for (size_t j = 0; j <= length_b; j++)
        row[j] = j;
    for (size_t i = 1; i <= length_a; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= length_b; j++) {
            size_t replaced = corner + (a[i - 1] != b[j - 1]);
            size_t shorter = row[j] < row[j - 1] ? row[j] : row[j - 1];
            corner = row[j];
            row[j] = replaced < shorter + 1 ? replaced : shorter + 1;
        }
    }
    return row[length_b] < enough ? row[length_b] : enough;
}

const char *yaml_nearest(const char *name, const char *const *names, size_t n)
{
    size_t enough = strlen(name) / 3 + 2, best = enough < 4 ? enough : 4;
    const char *nearest = NULL;

    for (size_t i = 0; i < n; i++) {
        size_t distance = edit_distance(name, names[i], best);
        if (distance < best) {
            best = distance;
            nearest = names[i];
        }
    }
    return nearest;
}
