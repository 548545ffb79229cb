/*
 * Text for people: labelled fields and wrapped paragraphs, in colour where somebody looks.
 *
 * Every text is taken to be foreign: control characters come out as escapes, so that no value moves the cursor.
 */
#include "client/itexctl/itexctl.h"
#include "client/itexctl/output.h"
#include "client/itexctl/words.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#define LABEL_COLUMN 14

static int screen_width(FILE *out)
{
    struct winsize size;
    int64_t columns;
    const char *text = getenv("COLUMNS");
    if (text && number_parse(text, 20, 1000, &columns))
        return (int)columns;
    if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
        return size.ws_col;
    return 80;
}

struct printer printer_open(const struct context *context, FILE *out)
{
    const char *no_color = getenv("NO_COLOR"), *terminal = getenv("TERM");
    bool plain = context->no_color || (no_color && no_color[0]) || (terminal && strcmp(terminal, "dumb") == 0);
    return (struct printer){.out = out, .width = screen_width(out), .color = !plain && isatty(fileno(out))};
}

/* ---- Marked lines ------------------------------------------------------------------------------------- */

struct marking {
    FILE *out;
    bool inside; /* of a line */
    char mark[MARK_SIZE];
};

static ssize_t marking_write(void *cookie, const char *data, size_t size)
{
    struct marking *marking = cookie;
    for (size_t done = 0; done < size;) {
        const char *end = memchr(data + done, '\n', size - done);
        size_t length = end ? (size_t)(end - data) + 1 - done : size - done;
        if (!marking->inside && fputs(marking->mark, marking->out) < 0)
            return 0;
        if (fwrite(data + done, 1, length, marking->out) != length)
            return 0;
        marking->inside = !end;
        done += length;
    }
    return (ssize_t)size;
}

static int marking_close(void *cookie)
{
    free(cookie);
    return 0;
}

int printer_mark(struct printer *printer, const char *mark)
{
    if (!mark || !mark[0])
        return 0;
    struct marking *marking = calloc(1, sizeof(*marking));
    if (!marking)
        return -ENOMEM;
    marking->out = printer->out;
    mark_prefix(mark, marking->mark);
    FILE *out = fopencookie(marking, "w", (cookie_io_functions_t){.write = marking_write, .close = marking_close});
    if (!out) {
        free(marking);
        return -ENOMEM;
    }
    printer->out = out;
    printer->marked = true;
    printer->width -= (int)strlen(marking->mark);
    return 0;
}

void printer_close(struct printer *printer)
{
    if (printer->marked)
        fclose(printer->out);
    printer->marked = false;
}

const char *tone_start(const struct printer *printer, enum tone tone)
{
    static const char *const codes[] = {[TONE_PLAIN] = "",        [TONE_BOLD] = "\033[1m",   [TONE_GOOD] = "\033[32m",
                                        [TONE_WARN] = "\033[33m", [TONE_BAD] = "\033[1;31m", [TONE_DIM] = "\033[2m"};
    return printer->color ? codes[tone] : "";
}

const char *tone_end(const struct printer *printer)
{
    return printer->color ? "\033[0m" : "";
}

enum tone severity_tone(const char *severity)
{
    if (!severity || strcmp(severity, "info") == 0)
        return TONE_DIM;
    return strcmp(severity, "warning") == 0 ? TONE_WARN : TONE_BAD;
}

enum tone verdict_tone(const char *verdict)
{
    if (verdict && strcmp(verdict, "rejected") == 0)
        return TONE_BAD;
    return verdict && strcmp(verdict, "advised") == 0 ? TONE_WARN : TONE_GOOD;
}

/* U+0080 to U+009F; U+200E, U+200F, U+202A to U+202E and U+2066 to U+2069. */
static bool steers_beyond_ascii(const unsigned char *at)
{
    if (at[0] == 0xc2)
        return at[1] >= 0x80 && at[1] <= 0x9f;
    if (at[0] != 0xe2)
        return false;
    if (at[1] == 0x80)
        return at[2] == 0x8e || at[2] == 0x8f || (at[2] >= 0xaa && at[2] <= 0xae);
    return at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9;
}

size_t steering(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;

    if (at[0] < 0x80)
        return at[0] != '\0' && (at[0] < ' ' || at[0] == 0x7f);
    if (!steers_beyond_ascii(at))
        return 0;
    return at[0] == 0xc2 ? 2 : 3;
}

/* The text with what steers a terminal as escapes; NULL without memory. */
static char *visible(const char *text)
{
    char *clean = malloc(strlen(text) * 4 + 1), *to = clean;
    if (!clean)
        return NULL;
    while (*text) {
        size_t length = steering(text);
        if (*text == '\n')
            to = stpcpy(to, "\\n");
        else if (length == 0)
            *to++ = *text;
        for (size_t i = 0; i < length && *text != '\n'; i++)
            to += sprintf(to, "\\x%02x", (unsigned char)text[i]);
        text += length ? length : 1;
    }
    *to = '\0';
    return clean;
}

/* Columns that the bytes take: characters, not bytes; wide characters count as one. */
static int columns_of(const char *text, size_t length)
{
    int columns = 0;
    for (size_t i = 0; i < length; i++)
        columns += ((unsigned char)text[i] & 0xc0) != 0x80;
    return columns;
}

/* Continues a line that is at `column`; further lines begin at `indent`. Ends with a newline. */
static void print_wrapped(const struct printer *printer, int column, int indent, const char *text)
{
    CLEANUP(freep) char *clean = visible(text);
    const char *rest = clean ? clean : "out of memory";
    bool first = true;
    while (*rest) {
        size_t length = strcspn(rest, " ");
        int word = columns_of(rest, length);
        if (!first && column + 1 + word > printer_wrap(printer)) {
            fprintf(printer->out, "\n%*s", indent, "");
            column = indent;
        } else if (!first) {
            fputc(' ', printer->out);
            column++;
        }
        fwrite(rest, 1, length, printer->out);
        column += word;
        first = false;
        rest += length;
        rest += *rest == ' ';
    }
    fputc('\n', printer->out);
}

void print_heading(const struct printer *printer, enum tone tone, const char *text)
{
    fputs(tone_start(printer, tone), printer->out);
    print_wrapped(printer, 0, 2, text);
    fputs(tone_end(printer), printer->out);
}

void print_field(const struct printer *printer, const char *label, const char *text)
{
    int column = fprintf(printer->out, "  %-*s", LABEL_COLUMN - 2, label);
    if (column > LABEL_COLUMN)
        fputc(' ', printer->out);
    print_wrapped(printer, column > LABEL_COLUMN ? column + 1 : column, LABEL_COLUMN, text);
}

/* From malloc; NULL without memory. */
__attribute__((format(printf, 1, 0))) static char *formatted(const char *format, va_list arguments)
{
    char *text = NULL;
    return vasprintf(&text, format, arguments) < 0 ? NULL : text;
}

void print_fieldf(const struct printer *printer, const char *label, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    CLEANUP(freep) char *text = formatted(format, arguments);
    va_end(arguments);
    print_field(printer, label, text ? text : "out of memory");
}

void print_worded(const struct printer *printer, int column, enum tone tone, const char *word, const char *text)
{
    int length = (int)strlen(word);
    fprintf(printer->out, "%s%s%s%*s", tone_start(printer, tone), word, tone_end(printer),
            length < column ? column - length : 1, "");
    print_wrapped(printer, length < column ? column : length + 1, column, text);
}

void print_paragraph(const struct printer *printer, int indent, const char *text)
{
    fprintf(printer->out, "%*s", indent, "");
    print_wrapped(printer, indent, indent, text);
}

void print_paragraphf(const struct printer *printer, int indent, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    CLEANUP(freep) char *text = formatted(format, arguments);
    va_end(arguments);
    print_paragraph(printer, indent, text ? text : "out of memory");
}

void print_inline(const struct printer *printer, const char *text)
{
    CLEANUP(freep) char *clean = visible(text);
    fputs(clean ? clean : "out of memory", printer->out);
}

void print_linef(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    CLEANUP(freep) char *text = formatted(format, arguments);
    va_end(arguments);
    CLEANUP(freep) char *clean = text ? visible(text) : NULL;
    printf("%s\n", clean ? clean : "out of memory");
}

const char *time_text(uint64_t ms, char text[TIME_TEXT_SIZE])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm broken;
    if (!gmtime_r(&seconds, &broken))
        return "";
    size_t used = strftime(text, TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &broken);
    snprintf(text + used, TIME_TEXT_SIZE - used, ".%03uZ", (unsigned)(ms % 1000));
    return text;
}
