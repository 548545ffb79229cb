/* Points in time: see when.h. */
#include "client/itexctl/when.h"
#include "client/itexctl/options.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool parse_epoch(const char *text, uint64_t *ms)
{
    int64_t seconds;
    if (!number_parse(text[0] == '@' ? text + 1 : text, 0, 99999999999, &seconds))
        return false;
    *ms = (uint64_t)seconds * 1000;
    return true;
}

/* ---- The clock on the wall ------------------------------------------------------------------------------- */

/* The point in time that the wall clock shows `wall` at, if the offset is that of dst (-1: whichever holds). */
static bool shows(const struct tm *wall, int dst, time_t *point)
{
    struct tm asked = *wall, shown;
    asked.tm_isdst = dst;
    *point = mktime(&asked);
    return localtime_r(point, &shown) && shown.tm_hour == wall->tm_hour && shown.tm_min == wall->tm_min &&
           shown.tm_mday == asked.tm_mday;
}

/*
 * Local time becomes a point in time. Where the clock is set back an hour comes twice: the first is meant, or the
 * second by whoever asks for an end. Where it is set forward an hour does not come: then it is as if it had not been.
 */
static time_t local_point(const struct tm *wall, bool end)
{
    time_t found = 0, skipped = 0;
    bool any = false;
    for (int dst = -1; dst <= 1; dst++) {
        time_t point;
        bool shown = shows(wall, dst, &point);
        if (shown && (!any || (end ? point > found : point < found)))
            found = point;
        if (dst <= 0 && point > skipped)
            skipped = point;
        any = any || shown;
    }
    return any ? found : skipped;
}

static bool midnight(uint64_t now_ms, int days_back, uint64_t *ms)
{
    time_t now = (time_t)(now_ms / 1000);
    struct tm day;
    if (!localtime_r(&now, &day))
        return false;
    day.tm_hour = day.tm_min = day.tm_sec = 0;
    day.tm_mday -= days_back;
    day.tm_isdst = -1;
    struct tm noon = day;
    noon.tm_hour = 12;
    mktime(&noon); /* the first of a month, less one */
    day.tm_mday = noon.tm_mday;
    day.tm_mon = noon.tm_mon;
    day.tm_year = noon.tm_year;
    *ms = (uint64_t)local_point(&day, false) * 1000;
    return true;
}

/* ---- "2 hours ago" ---------------------------------------------------------------------------------------- */

/* "2 hours ago", "90 s ago", "an hour ago". */
static bool parse_ago(const char *text, uint64_t now_ms, uint64_t *ms)
{
    static const struct {
        const char *name;
        int64_t seconds;
    } units[] = {{"second", 1},  {"sec", 1},  {"s", 1},       {"minute", 60}, {"min", 60},      {"m", 60},
                 {"hour", 3600}, {"h", 3600}, {"day", 86400}, {"d", 86400},   {"week", 604800}, {"w", 604800}};
    char count[24], unit[24], ago[8], end;
    int64_t age = strpbrk(text, "smhd") ? duration_parse(text) : -1; /* "1h" */
    if (age >= 0) {
        *ms = (uint64_t)age > now_ms ? 0 : now_ms - (uint64_t)age;
        return true;
    }
    if (sscanf(text, " %23[0-9a-z] %23[a-z] %7[a-z] %c", count, unit, ago, &end) != 3 || strcmp(ago, "ago") != 0)
        return false;
    int64_t number = 1;
    bool article = strcmp(count, "a") == 0 || strcmp(count, "an") == 0;
    if (!article && !number_parse(count, 0, 1000000, &number))
        return false;
    size_t length = strlen(unit);
    if (length > 3 && unit[length - 1] == 's')
        unit[length - 1] = '\0';
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        if (strcmp(unit, units[i].name) != 0)
            continue;
        uint64_t back = (uint64_t)(number * units[i].seconds) * 1000;
        *ms = back > now_ms ? 0 : now_ms - back;
        return true;
    }
    return false;
}

/* ---- ISO 8601 ---------------------------------------------------------------------------------------------- */

/* Exactly n digits; *rest moves behind them. */
static bool digits(const char **rest, int n, int *value)
{
    *value = 0;
    for (int i = 0; i < n; i++, (*rest)++) {
        if (!isdigit((unsigned char)**rest))
            return false;
        *value = *value * 10 + (**rest - '0');
    }
    return true;
}

static bool skip(const char **rest, char wanted)
{
    if (**rest != wanted)
        return false;
    (*rest)++;
    return true;
}

/* ":SS[.fraction]" or nothing; the fraction counts to the millisecond. */
static bool parse_seconds(const char **rest, int *seconds, unsigned *milliseconds)
{
    unsigned scale = 100;
    if (!skip(rest, ':'))
        return true;
    if (!digits(rest, 2, seconds))
        return false;
    if (!skip(rest, '.'))
        return true;
    bool any = isdigit((unsigned char)**rest);
    for (; isdigit((unsigned char)**rest); (*rest)++, scale /= 10)
        *milliseconds += (unsigned)(**rest - '0') * scale;
    return any;
}

/* "Z", " UTC", "+01:00", "-0530" or nothing: local. */
static bool parse_zone(const char *rest, bool *utc, int *offset)
{
    int hours, minutes;
    *utc = *rest != '\0';
    *offset = 0;
    if (!*rest || strcmp(rest, "Z") == 0 || strcmp(rest, " UTC") == 0)
        return true;
    bool west = *rest == '-';
    if (!skip(&rest, west ? '-' : '+') || !digits(&rest, 2, &hours))
        return false;
    skip(&rest, ':');
    if (!digits(&rest, 2, &minutes) || *rest)
        return false;
    *offset = (hours * 3600 + minutes * 60) * (west ? -1 : 1);
    return hours < 24 && minutes < 60;
}

static bool parse_date(const char **rest, struct tm *day)
{
    if (!digits(rest, 4, &day->tm_year) || !skip(rest, '-') || !digits(rest, 2, &day->tm_mon) || !skip(rest, '-') ||
        !digits(rest, 2, &day->tm_mday))
        return false;
    if (day->tm_year < 1970 || day->tm_mon < 1 || day->tm_mon > 12 || day->tm_mday < 1 || day->tm_mday > 31)
        return false;
    day->tm_year -= 1900;
    day->tm_mon--;
    struct tm same = *day;
    same.tm_hour = 12;
    return timegm(&same) >= 0 && same.tm_mon == day->tm_mon; /* 31 February becomes March */
}

static bool parse_clock(const char *rest, struct tm *day, unsigned *milliseconds, bool *utc, int *offset)
{
    *utc = false;
    *offset = 0;
    if (!*rest)
        return true;
    if (!skip(&rest, 'T') && !skip(&rest, ' '))
        return false;
    if (!digits(&rest, 2, &day->tm_hour) || !skip(&rest, ':') || !digits(&rest, 2, &day->tm_min) ||
        !parse_seconds(&rest, &day->tm_sec, milliseconds) || !parse_zone(rest, utc, offset))
        return false;
    return day->tm_hour <= 23 && day->tm_min <= 59 && day->tm_sec <= 60;
}

static bool parse_iso(const char *text, bool end, uint64_t *ms)
{
    struct tm day = {.tm_isdst = -1};
    int offset;
    unsigned milliseconds = 0;
    bool utc;
    if (!parse_date(&text, &day) || !parse_clock(text, &day, &milliseconds, &utc, &offset))
        return false;
    time_t seconds = utc ? timegm(&day) : local_point(&day, end);
    if (seconds < 0 || seconds < offset)
        return false;
    *ms = (uint64_t)(seconds - offset) * 1000 + milliseconds;
    return true;
}

static bool parse(const char *text, uint64_t now_ms, bool end, uint64_t *ms)
{
    if (strcmp(text, "now") == 0) {
        *ms = now_ms;
        return true;
    }
    if (strcmp(text, "today") == 0)
        return midnight(now_ms, 0, ms);
    if (strcmp(text, "yesterday") == 0)
        return midnight(now_ms, 1, ms);
    return parse_epoch(text, ms) || parse_ago(text, now_ms, ms) || parse_iso(text, end, ms);
}

bool when_parse(const char *text, uint64_t now_ms, uint64_t *ms)
{
    return parse(text, now_ms, false, ms);
}

bool when_parse_end(const char *text, uint64_t now_ms, uint64_t *ms)
{
    return parse(text, now_ms, true, ms);
}
