/* A progress line: see progress.h. */
#include "client/itexctl/replay/progress.h"
#include "proto/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DRAW_EVERY_MS 100
#define BAR_MOST 30
#define BAR_LEAST 8

/* "1 234 567" */
static void group_digits(char text[32], uint64_t number)
{
    char digits[24];
    int n = snprintf(digits, sizeof(digits), "%" PRIu64, number), at = 0;
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            text[at++] = ' ';
        text[at++] = digits[i];
    }
    text[at] = '\0';
}

/* "7 s", "2 min 5 s" */
static void say_time(char text[48], uint64_t seconds)
{
    if (seconds < 100)
        snprintf(text, 48, "%" PRIu64 " s", seconds);
    else
        snprintf(text, 48, "%" PRIu64 " min %" PRIu64 " s", seconds / 60, seconds % 60);
}

static void draw_bar(char *text, int width, double part)
{
    int full = (int)(part * width + 0.5);
    text[0] = '[';
    for (int i = 0; i < width; i++)
        text[1 + i] = i < full ? '#' : '.';
    text[1 + width] = ']';
    text[2 + width] = '\0';
}

void progress_line(char text[PROGRESS_LINE], int width, const char *what, uint64_t done, uint64_t total,
                   uint64_t elapsed_ms)
{
    char done_text[32], total_text[32], rate_text[32], left_text[48], tail[192], bar[BAR_MOST + 3] = "";
    double part = total > 0 ? (double)done / (double)total : 0;
    uint64_t rate = elapsed_ms > 0 ? done * 1000 / elapsed_ms : 0;
    group_digits(done_text, done);
    group_digits(total_text, total);
    group_digits(rate_text, rate);
    say_time(left_text, rate > 0 && total > done ? (total - done + rate - 1) / rate : 0);
    if (total == 0)
        snprintf(tail, sizeof(tail), "...");
    else if (rate == 0)
        snprintf(tail, sizeof(tail), "%3.0f %%  %s of %s", part * 100, done_text, total_text);
    else
        snprintf(tail, sizeof(tail), "%3.0f %%  %s of %s, %s a second, %.40s left", part * 100, done_text, total_text,
                 rate_text, left_text);
    if (width > PROGRESS_LINE - 1)
        width = PROGRESS_LINE - 1;
    int room = width - (int)strlen(what) - (int)strlen(tail) - 4;
    if (room > BAR_MOST)
        room = BAR_MOST;
    if (total > 0 && room >= BAR_LEAST)
        draw_bar(bar, room, part);
    snprintf(text, (size_t)width + 1, "%s %s%s%s", what, bar, bar[0] ? " " : "", tail);
}

void progress_begin(struct progress *progress, const char *what)
{
    struct winsize size;
    const char *terminal = getenv("TERM");
    *progress = (struct progress){.what = what, .width = 79, .began_ms = clock_steady_ms()};
    progress->shows = isatty(STDERR_FILENO) && (!terminal || strcmp(terminal, "dumb") != 0);
    if (progress->shows && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
        progress->width = size.ws_col - 1; /* the last column would wrap on some terminals */
}

void progress_set(struct progress *progress, uint64_t done, uint64_t total)
{
    char line[PROGRESS_LINE];
    uint64_t now = clock_steady_ms();
    if (!progress->shows || now - progress->drawn_ms < DRAW_EVERY_MS)
        return;
    progress->drawn_ms = now;
    progress->shown = true;
    progress_line(line, progress->width, progress->what, done, total, now - progress->began_ms);
    fprintf(stderr, "\r%s\033[K", line);
    fflush(stderr);
}

void progress_end(struct progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", stderr);
    fflush(stderr);
    progress->shown = progress->shows = false;
}
