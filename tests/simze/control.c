/*
 * Reads the control file named by SIMZE_CONTROL.
 *
 * The file is replaced by rename, so its identity (inode and times) tells whether it has changed; one stat per call is
 * what "re-read at each call" costs. Resets are lines of SIMZE_CONTROL.reset, read once: they are for successors.
 * Not for several threads at once.
 */
#include "tests/simze/control.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORDS 4

static const char *const metric_names[METRICS] = {
    [TEMPERATURE] = "temperature",
    [MEMORY_TEMPERATURE] = "memory_temperature",
    [POWER] = "power",
    [ENERGY] = "energy",
    [FREQUENCY] = "frequency",
    [FREQUENCY_LIMIT] = "frequency_limit",
    [THROTTLE] = "throttle",
    [UTILISATION] = "utilisation",
    [MEMORY_USED] = "memory_used",
    [MEMORY_READ] = "memory_read",
    [MEMORY_WRITE] = "memory_write",
    [RAS_CORRECTABLE] = "ras_correctable",
    [RAS_UNCORRECTABLE] = "ras_uncorrectable",
    [LINKS] = "links",
    [LINKS_UP] = "links_up",
    [RESET_REQUIRED] = "reset_required",
};

/* A card that does a little. */
static const double metric_defaults[METRICS] = {
    [TEMPERATURE] = 45,
    [MEMORY_TEMPERATURE] = 50,
    [POWER] = 120,
    [FREQUENCY] = 1200,
    [FREQUENCY_LIMIT] = 1600,
    [UTILISATION] = 0.25,
    [MEMORY_USED] = 1 << 30,
    [MEMORY_READ] = 2e9,
    [MEMORY_WRITE] = 1e9,
    [LINKS] = -1,
    [LINKS_UP] = -1, /* as many as `link` says */
};

static void control_init(struct control *control)
{
    *control = (struct control){
        .cards = 2, .tiles = 2, .memory_bytes = 64ULL << 30, .driver_version = 1U << 24 | 9U << 16 | 4242};
    snprintf(control->name, sizeof control->name, "Simulated Data Center GPU");
    for (unsigned i = 0; i < MAX_CARDS; i++)
        for (unsigned m = 0; m < METRICS; m++)
            control->card[i].metrics[m].value = metric_defaults[m];
}

/* ---- Words of a statement --------------------------------------------------------------------------------- */

struct statement {
    const char *word[WORDS];
    unsigned n;
};

/* Splits at blanks; the last word takes the rest of the line. */
static struct statement split(char *line)
{
    struct statement statement = {.n = 0};
    char *at = line + strspn(line, " \t");

    for (char *end = at + strlen(at); end > at && strchr(" \t\r\n", end[-1]);)
        *--end = '\0';
    while (*at && statement.n < WORDS) {
        statement.word[statement.n++] = at;
        if (statement.n == WORDS)
            break;
        at += strcspn(at, " \t");
        if (*at)
            *at++ = '\0';
        at += strspn(at, " \t");
    }
    return statement;
}

static bool number(const char *text, double *out)
{
    char *end;

    if (!text)
        return false;
    *out = strtod(text, &end);
    return end != text && *end == '\0';
}

static bool whole(const char *text, uint64_t limit, uint64_t *out)
{
    char *end;

    if (!text || *text == '-')
        return false;
    *out = strtoull(text, &end, 0);
    return end != text && *end == '\0' && *out <= limit;
}

static struct card_control *card_of(struct control *control, const char *text)
{
    uint64_t index;

    return whole(text, MAX_CARDS - 1, &index) ? &control->card[index] : NULL;
}

/* "memory-used" and "memory_used" are the same. */
static int metric_of(const char *text)
{
    for (int m = 0; text && m < METRICS; m++) {
        const char *a = text, *b = metric_names[m];

        while (*a && (*a == *b || (*a == '-' && *b == '_')))
            a++, b++;
        if (!*a && !*b)
            return m;
    }
    return -1;
}

static bool uuid_of(const char *text, uint8_t uuid[16])
{
    unsigned digits = 0;

    for (; text && *text; text++) {
        unsigned value;

        if (*text == '-')
            continue;
        if (digits == 32 || sscanf((const char[]){*text, '\0'}, "%1x", &value) != 1)
            return false;
        uuid[digits / 2] = (uint8_t)(digits % 2 ? uuid[digits / 2] | value : value << 4);
        digits++;
    }
    return digits == 32;
}

/* ---- Statements ------------------------------------------------------------------------------------------- */

static bool do_cards(struct control *control, const struct statement *words)
{
    uint64_t n;

    if (!whole(words->word[1], MAX_CARDS, &n))
        return false;
    control->cards = (unsigned)n;
    return true;
}

static bool do_tiles(struct control *control, const struct statement *words)
{
    uint64_t n;

    if (!whole(words->word[1], MAX_TILES, &n))
        return false;
    control->tiles = (unsigned)n;
    return true;
}

static bool do_name(struct control *control, const struct statement *words)
{
    size_t used = 0;

    for (unsigned i = 1; i < words->n && used < sizeof control->name; i++)
        used += (size_t)snprintf(control->name + used, sizeof control->name - used, "%s%s", i > 1 ? " " : "",
                                 words->word[i]);
    return words->n > 1;
}

static bool do_memory(struct control *control, const struct statement *words)
{
    return whole(words->word[1], UINT64_MAX, &control->memory_bytes);
}

static bool do_version(struct control *control, const struct statement *words)
{
    unsigned major, minor, build;
    char rest;

    if (words->n != 2 || sscanf(words->word[1], "%u.%u.%u%c", &major, &minor, &build, &rest) != 3 || major > 0xff ||
        minor > 0xff || build > 0xffff)
        return false;
    control->driver_version = major << 24 | minor << 16 | build;
    return true;
}

static bool do_default(struct control *control, const struct statement *words)
{
    static const char *const names[] = {"composite", "flat", "combined"};

    for (unsigned i = 0; words->n == 2 && i < 3; i++) {
        if (strcmp(words->word[1], names[i]) == 0) {
            control->hierarchy = (enum hierarchy)i;
            return true;
        }
    }
    return false;
}

static bool do_old(struct control *control, const struct statement *words)
{
    control->old = true;
    return words->n == 1;
}

static bool do_reversed(struct control *control, const struct statement *words)
{
    control->reversed = true;
    return words->n == 1;
}

static bool do_nopci(struct control *control, const struct statement *words)
{
    control->nopci = true;
    return words->n == 1;
}

static bool do_link(struct control *control, const struct statement *words)
{
    uint64_t a, b;

    if (!whole(words->word[1], MAX_CARDS - 1, &a) || !whole(words->word[2], MAX_CARDS - 1, &b) || a == b ||
        control->n_links == MAX_LINKS)
        return false;
    control->links[control->n_links].a = (uint8_t)a;
    control->links[control->n_links++].b = (uint8_t)b;
    return true;
}

static bool do_gone(struct control *control, const struct statement *words)
{
    struct card_control *card = card_of(control, words->word[1]);

    return card && (card->gone = true);
}

static bool do_lost(struct control *control, const struct statement *words)
{
    struct card_control *card = card_of(control, words->word[1]);

    return card && (card->lost = true);
}

static bool do_uuid(struct control *control, const struct statement *words)
{
    struct card_control *card = card_of(control, words->word[1]);

    return card && (card->has_uuid = uuid_of(words->word[2], card->uuid));
}

static struct reading *reading_of(struct control *control, const struct statement *words)
{
    struct card_control *card = card_of(control, words->word[1]);
    int metric = metric_of(words->word[2]);

    return card && metric >= 0 ? &card->metrics[metric] : NULL;
}

static bool do_set(struct control *control, const struct statement *words)
{
    struct reading *reading = reading_of(control, words);

    if (!reading || !number(words->word[3], &reading->value))
        return false;
    reading->state = READING_VALUE;
    return true;
}

static bool do_unset(struct control *control, const struct statement *words)
{
    struct reading *reading = reading_of(control, words);

    if (!reading)
        return false;
    reading->state = READING_UNSET;
    return true;
}

static bool do_deny(struct control *control, const struct statement *words)
{
    struct reading *reading = reading_of(control, words);

    if (!reading)
        return false;
    reading->state = READING_DENIED;
    return true;
}

static bool do_event(struct control *control, const struct statement *words)
{
    static const struct {
        const char *name;
        unsigned flag;
    } events[] = {{"detach", 1U << 0}, {"attach", 1U << 1}, {"reset-required", 1U << 14}};
    struct card_control *card = card_of(control, words->word[1]);

    for (unsigned i = 0; card && words->n == 3 && i < 3; i++) {
        if (strcmp(words->word[2], events[i].name) == 0) {
            card->events |= events[i].flag;
            return true;
        }
    }
    return false;
}

static bool add_fault(struct control *control, const struct statement *words, enum fault_kind kind, bool has_value)
{
    struct fault *fault = &control->faults[control->n_faults];
    uint64_t value = 0;

    if (control->n_faults == MAX_FAULTS || words->n != (has_value ? 3U : 2U) ||
        strlen(words->word[1]) >= sizeof fault->function || (has_value && !whole(words->word[2], UINT32_MAX, &value)))
        return false;
    *fault = (struct fault){.kind = kind, .value = (uint32_t)value};
    memcpy(fault->function, words->word[1], strlen(words->word[1]) + 1);
    control->n_faults++;
    return true;
}

static bool do_fail(struct control *control, const struct statement *words)
{
    return add_fault(control, words, FAULT_FAIL, true);
}

static bool do_hang(struct control *control, const struct statement *words)
{
    return add_fault(control, words, FAULT_HANG, false);
}

static bool do_crash(struct control *control, const struct statement *words)
{
    return add_fault(control, words, FAULT_CRASH, false);
}

static bool do_count(struct control *control, const struct statement *words)
{
    return add_fault(control, words, FAULT_COUNT, true);
}

static bool do_garbage(struct control *control, const struct statement *words)
{
    return add_fault(control, words, FAULT_GARBAGE, false);
}

static bool do_garble(struct control *control, const struct statement *words)
{
    return add_fault(control, words, FAULT_GARBLE, false);
}

static const struct {
    const char *word;
    bool (*run)(struct control *control, const struct statement *words);
} statements[] = {
    {"cards", do_cards},       {"tiles", do_tiles},   {"name", do_name},       {"memory", do_memory},
    {"default", do_default},   {"old", do_old},       {"nopci", do_nopci},     {"link", do_link},
    {"reversed", do_reversed}, {"gone", do_gone},     {"lost", do_lost},       {"uuid", do_uuid},
    {"set", do_set},           {"unset", do_unset},   {"deny", do_deny},       {"event", do_event},
    {"fail", do_fail},         {"hang", do_hang},     {"crash", do_crash},     {"count", do_count},
    {"garbage", do_garbage},   {"garble", do_garble}, {"version", do_version},
};

static bool run_line(struct control *control, char *line)
{
    struct statement words;

    line[strcspn(line, "#")] = '\0';
    words = split(line);
    if (words.n == 0)
        return true;
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
        if (strcmp(words.word[0], statements[i].word) == 0)
            return statements[i].run(control, &words);
    return false;
}

static void read_file(FILE *file, const char *path, struct control *control)
{
    char line[512];

    for (unsigned at = 1; fgets(line, sizeof line, file); at++) {
        char copy[sizeof line];

        memcpy(copy, line, sizeof line);
        if (!run_line(control, line)) {
            fprintf(stderr, "simze: %s line %u is no statement of README.md: %s", path, at, copy);
            _exit(97);
        }
    }
}

/* ---- Resets ----------------------------------------------------------------------------------------------- */

static bool reset_path(char path[PATH_MAX])
{
    const char *control = getenv("SIMZE_CONTROL");

    return control && (size_t)snprintf(path, PATH_MAX, "%s.reset", control) < PATH_MAX;
}

static bool was_reset[MAX_CARDS]; /* before this process */

static void read_resets(void)
{
    char path[PATH_MAX];
    FILE *file = reset_path(path) ? fopen(path, "re") : NULL;
    unsigned card;

    if (!file)
        return;
    while (fscanf(file, "%u", &card) == 1)
        if (card < MAX_CARDS)
            was_reset[card] = true;
    fclose(file);
}

static void apply_resets(struct control *control)
{
    for (unsigned i = 0; i < MAX_CARDS; i++) {
        if (was_reset[i]) {
            control->card[i].lost = false;
            control->card[i].metrics[RESET_REQUIRED].value = 0;
        }
    }
}

bool control_write_reset(unsigned card)
{
    char path[PATH_MAX];
    FILE *file = reset_path(path) ? fopen(path, "ae") : NULL;

    if (!file)
        return false;
    fprintf(file, "%u\n", card);
    return fclose(file) == 0;
}

/* ---- The control of now ----------------------------------------------------------------------------------- */

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Opens the file where it is another than the one read last. */
static FILE *open_changed(const char *path)
{
    static struct stat last;
    struct stat now;
    FILE *file;

    if (stat(path, &now) < 0 || same_file(&now, &last))
        return NULL;
    file = fopen(path, "re");
    if (file && fstat(fileno(file), &now) == 0)
        last = now;
    return file;
}

const struct control *control_now(void (*changing)(const struct control *before, const struct control *now))
{
    static struct control current, next;
    static bool initialised;
    const char *path = getenv("SIMZE_CONTROL");
    FILE *file;

    if (!initialised) {
        initialised = true;
        control_init(&current);
        read_resets();
    }
    file = path ? open_changed(path) : NULL;
    if (file) {
        control_init(&next);
        read_file(file, path, &next);
        fclose(file);
        apply_resets(&next);
        if (changing)
            changing(&current, &next);
        current = next;
    }
    return &current;
}
