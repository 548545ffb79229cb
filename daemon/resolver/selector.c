/*
 * ONEAPI_DEVICE_SELECTOR: terms `backend:devices` separated by ';', a term with '!' before it discards. Devices are
 * '*', a kind, or N, N.M, N.M.K, where a '*' may stand for a part if all parts behind it are '*' too.
 *
 * Where no term accepts, everything is accepted but the whole of each backend that a term discards from; no term at
 * all accepts nothing. Discarding a tile takes its card.
 */
#include "daemon/resolver/gpus.h"
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

static bool equals(struct span piece, const char *word)
{
    return strlen(word) == piece.length && strncasecmp(piece.text, word, piece.length) == 0;
}

/* ---- One device ------------------------------------------------------------------------------------------- */

#define PARTS_MAX 3
#define EVERY UINT32_MAX
#define NEVER (UINT32_MAX - 1) /* a negative number */

struct device_name {
    bool gpu;  /* its kind is GPU, or any */
    bool kind; /* named by its kind */
    unsigned parts;
    uint32_t part[PARTS_MAX]; /* a number, or EVERY */
};

/* A number as std::stoi takes it: blanks and a sign before it, anything behind it. A negative one names nothing. */
static bool read_number(struct span text, uint32_t *out)
{
    bool negative = false;
    uint64_t number = 0;
    size_t i = 0;

    while (i < text.length && (text.text[i] == ' ' || (text.text[i] >= '\t' && text.text[i] <= '\r')))
        i++;
    if (i < text.length && (text.text[i] == '-' || text.text[i] == '+'))
        negative = text.text[i++] == '-';
    if (i == text.length || text.text[i] < '0' || text.text[i] > '9')
        return false;
    for (; i < text.length && text.text[i] >= '0' && text.text[i] <= '9'; i++) {
        number = number * 10 + (uint64_t)(text.text[i] - '0');
        if (number > INT32_MAX)
            return false;
    }
    *out = negative && number ? NEVER : (uint32_t)number;
    return true;
}

static bool read_kind(struct span text, struct device_name *device)
{
    static const char *const kinds[] = {"gpu", "cpu", "fpga"};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (equals(text, kinds[i])) {
            device->kind = true;
            device->gpu = i == 0;
            return true;
        }
    return false;
}

/* False where the runtime throws. */
static bool read_device(struct span text, struct device_name *device)
{
    const char *rest = text.text;
    struct span part;

    *device = (struct device_name){.gpu = true};
    while (next_piece(&rest, text.text + text.length, '.', &part)) {
        unsigned n = device->parts;

        if (part.length == 0)
            continue;
        if (n == PARTS_MAX || (device->kind && n > 0))
            return false;
        device->parts++;
        if (equals(part, "*"))
            device->part[n] = EVERY;
        else if (n == 0 && read_kind(part, device))
            continue;
        else if (!read_number(part, &device->part[n]) || (n > 0 && device->part[n - 1] == EVERY))
            return false;
    }
    return device->parts > 0;
}

/* ---- One term --------------------------------------------------------------------------------------------- */

struct term {
    bool discards;
    bool level_zero, opencl;
    struct span devices;
};

/* False where the runtime throws. */
static bool read_term(struct span text, struct term *term)
{
    static const char *const others[] = {"cuda", "hip", "native_cpu", "host"};
    const char *rest = text.text;
    struct span backend, more;
    bool known;

    *term = (struct term){.discards = text.length && *text.text == '!'};
    if (term->discards) {
        rest++;
        text.text++;
        text.length--;
    }
    if (!next_piece(&rest, text.text + text.length, ':', &backend) || !rest ||
        !next_piece(&rest, text.text + text.length, ':', &term->devices) || term->devices.length == 0 ||
        next_piece(&rest, text.text + text.length, ':', &more))
        return false;
    term->level_zero = equals(backend, "level_zero") || equals(backend, "*");
    term->opencl = equals(backend, "opencl") || equals(backend, "*");
    known = term->level_zero || term->opencl;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        known |= equals(backend, others[i]);
    return known;
}

/* Cuts the next term that has anything in it. */
static bool next_term(const char **rest, const char *end, struct span *text)
{
    while (next_piece(rest, end, ';', text))
        if (text->length > 0)
            return true;
    return false;
}

static bool next_device(const char **rest, const struct term *term, struct span *text)
{
    while (next_piece(rest, term->devices.text + term->devices.length, ',', text))
        if (text->length > 0)
            return true;
    return false;
}

/* ---- The text as a whole ---------------------------------------------------------------------------------- */

/* What of it the rules ask. */
struct shape {
    bool every;    /* all of Level Zero's GPUs are accepted */
    bool ordinals; /* names some of them by number, accepting or discarding */
    bool discards;
};

static bool read_shape(const char *value, struct shape *shape)
{
    const char *end = value + strlen(value), *terms = value;
    struct span text;
    struct term term;

    *shape = (struct shape){.every = false};
    while (next_term(&terms, end, &text)) {
        const char *devices;
        struct device_name device;

        if (!read_term(text, &term))
            return false;
        shape->discards |= term.discards;
        devices = term.devices.text;
        while (next_device(&devices, &term, &text)) {
            if (!read_device(text, &device))
                return false;
            if (!term.level_zero || !device.gpu)
                continue;
            shape->every |= !term.discards && (device.kind || device.part[0] == EVERY);
            shape->ordinals |= !device.kind && device.part[0] != EVERY;
        }
    }
    return *value != '\0';
}

unsigned parse_selector(const char *value)
{
    struct shape shape;

    if (!read_shape(value, &shape))
        return SELECT_INVALID;
    if (shape.ordinals)
        return SELECT_ORDINALS;
    return shape.every && !shape.discards ? SELECT_ALL : SELECT_OTHER;
}

/* ---- What it leaves --------------------------------------------------------------------------------------- */

enum { TAKEN = 1, BELOW = 2 }; /* the card itself; its tiles, each by itself */

struct selection {
    const struct gpus *listed;
    uint8_t gpus[GPUS_MAX]; /* where the listed are exact */
    bool accepts;           /* some term does, of any backend */
    bool some;              /* something that is listed may be accepted, where they are not exact */
    bool cards;             /* with `some`: cards, not only tiles by themselves */
    bool opencl;
    bool discarded_from; /* Level Zero */
    bool opencl_discarded_from;
};

static unsigned matches(const struct gpus *listed, const struct device_name *device, unsigned index)
{
    unsigned tiles = listed->tiles[index];

    if (!device->kind && device->part[0] != EVERY && device->part[0] != index)
        return 0;
    if (device->parts == 1)
        return TAKEN;
    /* No engine is listed below a tile. */
    return device->parts == 2 && tiles > 0 && (device->part[1] == EVERY || device->part[1] < tiles) ? BELOW : 0;
}

static void accept(struct selection *selection, const struct device_name *device)
{
    const struct gpus *listed = selection->listed;

    for (unsigned i = 0; listed->exact && i < listed->n; i++)
        selection->gpus[i] |= (uint8_t)matches(listed, device, i);
    if (listed->exact || device->parts == 3 ||
        (!device->kind && device->part[0] != EVERY && device->part[0] >= listed->n))
        return;
    selection->some = true;
    selection->cards |= device->parts == 1;
}

static void discard(struct selection *selection, const struct device_name *device)
{
    for (unsigned i = 0; selection->listed->exact && i < selection->listed->n; i++)
        if (device->kind || device->part[0] == EVERY || device->part[0] == i)
            selection->gpus[i] = 0;
    if (device->kind || device->part[0] == EVERY)
        selection->some = selection->cards = false;
}

/* Accepting terms first, whatever their order: what is discarded is discarded. */
static void take_term(struct selection *selection, const struct term *term, bool discarding)
{
    const char *devices = term->devices.text;
    struct device_name device;
    struct span text;

    if (term->discards != discarding)
        return;
    selection->accepts |= !discarding;
    selection->discarded_from |= discarding && term->level_zero;
    selection->opencl_discarded_from |= discarding && term->opencl;
    while (next_device(&devices, term, &text) && read_device(text, &device)) {
        if (!device.gpu || device.part[0] == NEVER)
            continue;
        if (term->opencl && !discarding)
            selection->opencl = true;
        else if (term->opencl && (device.kind || device.part[0] == EVERY))
            selection->opencl = false;
        if (term->level_zero && !discarding)
            accept(selection, &device);
        else if (term->level_zero)
            discard(selection, &device);
    }
}

static void take_terms(struct selection *selection, const char *selector, bool discarding)
{
    const char *end = selector + strlen(selector), *terms = selector;
    struct span text;
    struct term term;

    while (next_term(&terms, end, &text) && read_term(text, &term))
        take_term(selection, &term, discarding);
}

static void take_everything(struct selection *selection)
{
    static const struct device_name every = {.gpu = true, .parts = 1, .part = {EVERY}};

    accept(selection, &every);
    selection->opencl = true;
}

static void take_selector(struct selection *selection, const char *selector)
{
    bool has_terms = selector[strspn(selector, ";")] != '\0';

    take_terms(selection, selector, false);
    take_terms(selection, selector, true);
    if (selection->accepts || !has_terms)
        return;
    if (!selection->discarded_from)
        take_everything(selection);
    selection->opencl = !selection->opencl_discarded_from;
}

void gpus_select(const struct gpus *listed, const char *selector, struct selected *out)
{
    struct selection selection = {.listed = listed};
    unsigned n = 0, with_tiles = 0;

    if (selector)
        take_selector(&selection, selector);
    else
        take_everything(&selection);
    *out = (struct selected){.opencl = selection.opencl};
    if (!listed->exact) {
        out->level_zero = selection.some ? LEFT_UNKNOWN : LEFT_NONE;
        out->tiles = selection.cards ? LEFT_UNKNOWN : LEFT_NONE;
        return;
    }
    for (unsigned i = 0; i < listed->n; i++) {
        n += selection.gpus[i] != 0;
        with_tiles += (selection.gpus[i] & TAKEN) != 0 && listed->tiles[i] > 0;
    }
    out->level_zero = n > 0 ? LEFT_SOME : LEFT_NONE;
    out->tiles = with_tiles > 0 ? LEFT_SOME : LEFT_NONE;
}
