/* The values that options take: numbers, times, and the name that was probably meant. */
#include "client/itexctl/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool number_parse(const char *text, int64_t minimum, int64_t maximum, int64_t *out)
{
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || *end || value < minimum || value > maximum)
        return false;
    *out = value;
    return true;
}

int64_t duration_parse(const char *text)
{
    static const struct {
        const char *suffix;
        double milliseconds;
    } units[] = {{"ms", 1}, {"s", 1000}, {"", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    size_t digits = strspn(text, "0123456789.");
    if (digits == 0 || digits > 15)
        return -1;
    char *end;
    double value = strtod(text, &end);
    if (end != text + digits)
        return -1;
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
        if (strcmp(end, units[i].suffix) == 0)
            return value * units[i].milliseconds < 1e15 ? (int64_t)(value * units[i].milliseconds) : -1;
    return -1;
}

/* Levenshtein distance of two words, each cut at 31 bytes. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[33];
    size_t n_a = strnlen(a, 31), n_b = strnlen(b, 31);
    for (size_t j = 0; j <= n_b; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= n_a; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= n_b; j++) {
            unsigned change = diagonal + (a[i - 1] != b[j - 1]);
            unsigned shorter = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < shorter ? change : shorter;
        }
    }
    return row[n_b];
}

const char *nearest_name(const char *word, const char *(*get)(size_t i, const void *data), const void *data)
{
    const char *nearest = NULL, *name;
    unsigned best = (unsigned)strlen(word) / 3 + 2;
    for (size_t i = 0; (name = get(i, data)); i++) {
        unsigned d = distance(word, name);
        if (strlen(word) >= 3 && strncmp(name, word, strlen(word)) == 0)
            d = 1;
        if (d < best) {
            best = d;
            nearest = name;
        }
    }
    return nearest;
}
