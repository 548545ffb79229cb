/*
 * ZE_AFFINITY_MASK and ONEAPI_DEVICE_SELECTOR.
 *
 * A mask is a list of N or N.M. A selector is a list of terms `backend:devices` separated by ';', a term with '!'
 * before it discards; devices are '*', a kind, or N, N.M, N.M.K where each part may be '*'. Only what the rules
 * ask is worked out: whether the SYCL runtime takes the text at all, and which Level Zero devices it names.
 */
#include "daemon/resolver/parse.h"

#include <string.h>
#include <strings.h>

/* A piece of text between separators. */
struct span {
    const char *text;
    size_t length;
};

/* Cuts the next piece off *rest; false at the end. An empty text is one empty piece. */
static bool next_piece(const char **rest, const char *end, char separator, struct span *piece)
{
    const char *stop;

    if (!*rest)
        return false;
    stop = memchr(*rest, separator, (size_t)(end - *rest));
    piece->text = *rest;
    piece->length = (size_t)((stop ? stop : end) - *rest);
    *rest = stop ? stop + 1 : NULL;
    return true;
}

static bool is_number(struct span piece)
{
    if (piece.length == 0)
        return false;
    for (size_t i = 0; i < piece.length; i++)
        if (piece.text[i] < '0' || piece.text[i] > '9')
            return false;
    return true;
}

static bool equals(struct span piece, const char *word)
{
    return strlen(word) == piece.length && strncasecmp(piece.text, word, piece.length) == 0;
}

static bool mask_entry_valid(struct span entry)
{
    const char *rest = entry.text;
    struct span part;
    unsigned parts = 0;

    while (next_piece(&rest, entry.text + entry.length, '.', &part)) {
        if (!is_number(part))
            return false;
        parts++;
    }
    return parts <= 2;
}

unsigned parse_affinity_mask(const char *value)
{
    const char *rest = value;
    const char *end = value + strlen(value);
    struct span entry;

    if (*value == '\0')
        return MASK_EMPTY;
    while (next_piece(&rest, end, ',', &entry))
        if (!mask_entry_valid(entry))
            return MASK_INVALID;
    return MASK_VALID;
}

unsigned affinity_mask_entries(const char *value)
{
    unsigned entries = 1;

    for (; *value; value++)
        entries += *value == ',';
    return entries;
}

/* What a selector says about Level Zero devices. */
struct selection {
    bool valid;
    bool accepts;  /* some term accepts rather than discards */
    bool every;    /* all Level Zero GPUs, by '*' or gpu */
    bool other;    /* something that is neither every nor numbered: another backend or kind */
    bool ordinals; /* names devices by number, accepting or discarding */
    bool discards;
    unsigned lowest; /* accepted number; UINT32_MAX: none */
};

enum device_word { DEVICE_EVERY, DEVICE_NUMBER, DEVICE_KIND, DEVICE_BAD };

static enum device_word read_device(struct span device, unsigned *number)
{
    const char *rest = device.text;
    struct span part;
    unsigned parts = 0;

    if (equals(device, "*") || equals(device, "gpu"))
        return DEVICE_EVERY;
    if (equals(device, "cpu") || equals(device, "fpga") || equals(device, "acc"))
        return DEVICE_KIND;
    *number = 0;
    while (next_piece(&rest, device.text + device.length, '.', &part)) {
        if (!is_number(part) && !equals(part, "*"))
            return DEVICE_BAD;
        if (parts++ == 0)
            for (size_t i = 0; i < part.length && part.text[i] != '*' && *number < 100000; i++)
                *number = *number * 10 + (unsigned)(part.text[i] - '0');
    }
    if (parts > 3)
        return DEVICE_BAD;
    return *device.text == '*' ? DEVICE_EVERY : DEVICE_NUMBER;
}

static bool is_backend(struct span name)
{
    static const char *const others[] = {"opencl", "cuda", "hip", "esimd_emulator", "native_cpu"};

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (equals(name, others[i]))
            return true;
    return false;
}

static void read_devices(struct span devices, bool discard, bool level_zero, struct selection *out)
{
    const char *rest = devices.text;
    struct span device;

    while (next_piece(&rest, devices.text + devices.length, ',', &device)) {
        unsigned number = UINT32_MAX;
        enum device_word word = read_device(device, &number);

        if (word == DEVICE_BAD) {
            out->valid = false;
        } else if (word == DEVICE_NUMBER && level_zero) {
            out->ordinals = true;
            if (!discard && number < out->lowest)
                out->lowest = number;
        } else if (!discard && word == DEVICE_EVERY && level_zero) {
            out->every = true;
        } else if (!discard) {
            out->other = true;
        }
    }
}

static void read_term(struct span term, struct selection *out)
{
    bool discard = term.length && *term.text == '!';
    const char *colon;
    struct span backend;
    struct span devices;
    bool level_zero;

    if (discard) {
        term.text++;
        term.length--;
    }
    colon = memchr(term.text, ':', term.length);
    if (!colon) {
        out->valid = false;
        return;
    }
    backend = (struct span){term.text, (size_t)(colon - term.text)};
    devices = (struct span){colon + 1, term.length - backend.length - 1};
    level_zero = equals(backend, "level_zero") || equals(backend, "*");
    if (!level_zero && !is_backend(backend))
        out->valid = false;
    out->accepts |= !discard;
    out->discards |= discard;
    read_devices(devices, discard, level_zero, out);
}

static struct selection read_selector(const char *value)
{
    struct selection out = {.valid = true, .lowest = UINT32_MAX};
    const char *rest = value;
    struct span term;

    while (next_piece(&rest, value + strlen(value), ';', &term))
        read_term(term, &out);
    return out;
}

unsigned parse_selector(const char *value)
{
    struct selection selection = read_selector(value);

    if (!selection.valid || !selection.accepts)
        return SELECT_INVALID;
    if (selection.ordinals)
        return SELECT_ORDINALS;
    return selection.every && !selection.discards ? SELECT_ALL : SELECT_OTHER;
}

bool selector_lowest_ordinal(const char *value, unsigned *lowest)
{
    struct selection selection = read_selector(value);

    *lowest = selection.lowest;
    return selection.valid && selection.lowest != UINT32_MAX && !selection.every && !selection.other;
}
