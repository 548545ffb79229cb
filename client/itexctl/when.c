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

static bool midnight(uint64_t now_ms, int days_back, uint64_t *ms)
{
    time_t now = (time_t)(now_ms / 1000);
    struct tm day;
    if (!localtime_r(&now, &day))
        return false;
    day.tm_hour = day.tm_min = day.tm_sec = 0;
    day.tm_mday -= days_back;
    day.tm_isdst = -1;
    *ms = (uint64_t)mktime(&day) * 1000;
    return true;
}

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

/* ":SS[.fraction]"; the fraction counts to the millisecond. */
static bool parse_seconds(const char **rest, int *seconds, unsigned *milliseconds)
{
    int length = 0;
    if (**rest != ':')
        return true;
    if (sscanf(*rest, ":%2d%n", seconds, &length) != 1)
        return false;
    *rest += length;
    if (**rest != '.')
        return true;
    unsigned scale = 100;
    for ((*rest)++; isdigit((unsigned char)**rest); (*rest)++, scale /= 10)
        *milliseconds += (unsigned)(**rest - '0') * scale;
    return true;
}

/* "Z", "+01:00", "-0530" or nothing: local. */
static bool parse_zone(const char *rest, bool *utc, int *offset)
{
    char sign, end;
    unsigned hours, minutes = 0;
    *utc = true;
    *offset = 0;
    if (strcmp(rest, "Z") == 0 || strcmp(rest, " UTC") == 0)
        return true;
    if (sscanf(rest, "%c%2u:%2u%c", &sign, &hours, &minutes, &end) != 3 &&
        sscanf(rest, "%c%2u%2u%c", &sign, &hours, &minutes, &end) != 3) {
        *utc = false;
        return !*rest;
    }
    *offset = (int)(hours * 3600 + minutes * 60) * (sign == '-' ? -1 : 1);
    return (sign == '+' || sign == '-') && hours < 24 && minutes < 60;
}

static bool parse_clock(const char *rest, struct tm *day, unsigned *milliseconds, bool *utc, int *offset)
{
    int length = 0;
    *utc = false;
    *offset = 0;
    if (!*rest)
        return true;
    if (sscanf(rest, "%*1[T ]%2d:%2d%n", &day->tm_hour, &day->tm_min, &length) != 2 || length == 0)
        return false;
    rest += length;
    return parse_seconds(&rest, &day->tm_sec, milliseconds) && parse_zone(rest, utc, offset);
}

static bool parse_iso(const char *text, uint64_t *ms)
{
    struct tm day = {.tm_isdst = -1};
    int length = 0, offset;
    unsigned milliseconds = 0;
    bool utc;
    if (sscanf(text, "%4d-%2d-%2d%n", &day.tm_year, &day.tm_mon, &day.tm_mday, &length) != 3 || length < 8)
        return false;
    bool valid = day.tm_year >= 1970 && day.tm_mon >= 1 && day.tm_mon <= 12 && day.tm_mday >= 1 && day.tm_mday <= 31;
    day.tm_year -= 1900;
    day.tm_mon--;
    if (!valid || !parse_clock(text + length, &day, &milliseconds, &utc, &offset))
        return false;
    if (day.tm_hour > 23 || day.tm_min > 59 || day.tm_sec > 60)
        return false;
    int month = day.tm_mon;
    time_t seconds = utc ? timegm(&day) : mktime(&day);
    if (day.tm_mon != month || seconds < offset) /* 31 February became March */
        return false;
    *ms = (uint64_t)(seconds - offset) * 1000 + milliseconds;
    return true;
}

bool when_parse(const char *text, uint64_t now_ms, uint64_t *ms)
{
    if (strcmp(text, "now") == 0) {
        *ms = now_ms;
        return true;
    }
    if (strcmp(text, "today") == 0)
        return midnight(now_ms, 0, ms);
    if (strcmp(text, "yesterday") == 0)
        return midnight(now_ms, 1, ms);
    return parse_epoch(text, ms) || parse_ago(text, now_ms, ms) || parse_iso(text, ms);
}
