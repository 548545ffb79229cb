/* A list of media ranges, each with parameters; the better quality wins, and OpenMetrics of two that are equal. */
#include "daemon/metrics/negotiate.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A piece of the header, without the blanks around it. */
struct piece {
    const char *text;
    size_t size;
};

static struct piece trim(struct piece piece)
{
    while (piece.size > 0 && strchr(" \t", piece.text[0])) {
        piece.text++;
        piece.size--;
    }
    while (piece.size > 0 && strchr(" \t", piece.text[piece.size - 1]))
        piece.size--;
    return piece;
}

/* The next piece up to the separator; *at is moved behind it. */
static struct piece next(struct piece *rest, char separator)
{
    const char *end = memchr(rest->text, separator, rest->size);
    size_t size = end ? (size_t)(end - rest->text) : rest->size;
    struct piece piece = trim((struct piece){rest->text, size});

    rest->text += end ? size + 1 : size;
    rest->size -= end ? size + 1 : size;
    return piece;
}

static bool is(struct piece piece, const char *word)
{
    return piece.size == strlen(word) && strncasecmp(piece.text, word, piece.size) == 0;
}

static bool is_one_of(struct piece piece, const char *const *words)
{
    for (; *words; words++)
        if (is(piece, *words))
            return true;
    return false;
}

/* Thousandths; what is no number counts as none given. */
static unsigned quality(struct piece value)
{
    char text[8] = "";
    char *end;
    double number;

    if (value.size == 0 || value.size >= sizeof text)
        return 1000;
    memcpy(text, value.text, value.size);
    number = strtod(text, &end);
    return *end || number < 0 || number > 1 ? 1000 : (unsigned)(number * 1000);
}

struct range {
    struct piece type;
    struct piece version; /* size 0: none */
    unsigned quality;
};

static struct range read_range(struct piece piece)
{
    struct range range = {.type = next(&piece, ';'), .version = {"", 0}, .quality = 1000};

    while (piece.size > 0) {
        struct piece value = next(&piece, ';');
        struct piece name = next(&value, '=');

        if (is(name, "q"))
            range.quality = quality(trim(value));
        else if (is(name, "version"))
            range.version = trim(value);
    }
    return range;
}

enum metrics_format metrics_negotiate(const char *accept)
{
    static const char *const plain[] = {"text/plain", "text/*", "*/*", NULL};
    static const char *const versions[] = {"", "1.0.0", "\"1.0.0\"", NULL};
    struct piece rest = {accept ? accept : "", accept ? strlen(accept) : 0};
    unsigned best[METRICS_FORMATS] = {0, 0};

    while (rest.size > 0) {
        struct range range = read_range(next(&rest, ','));
        bool open = is(range.type, "application/openmetrics-text") && is_one_of(range.version, versions);

        if (!open && !is_one_of(range.type, plain))
            continue;
        if (range.quality > best[open ? METRICS_OPEN : METRICS_PLAIN])
            best[open ? METRICS_OPEN : METRICS_PLAIN] = range.quality;
    }
    return best[METRICS_OPEN] > 0 && best[METRICS_OPEN] >= best[METRICS_PLAIN] ? METRICS_OPEN : METRICS_PLAIN;
}

const char *metrics_content_type(enum metrics_format format)
{
    return format == METRICS_OPEN ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                  : "text/plain; version=0.0.4; charset=utf-8";
}
