/* Points in time as people give them. */
#ifndef ITEXCTL_WHEN_H
#define ITEXCTL_WHEN_H

#include <stdbool.h>
#include <stdint.h>

/*
 * "2026-01-31", "2026-01-31T10:00[:00[.123]][Z|+01:00]" (a blank instead of T; without zone: local time), "now",
 * "today", "yesterday" (their midnight, local), "2 hours ago", "2h", seconds since 1970, with or without "@".
 * now_ms is the present. false where it is none of these. A local hour that comes twice, because the clock is set back
 * in it, is the first of the two for when_parse and the second for when_parse_end; one that the clock leaves out counts
 * as if it had not.
 */
bool when_parse(const char *text, uint64_t now_ms, uint64_t *ms);
bool when_parse_end(const char *text, uint64_t now_ms, uint64_t *ms);

#endif
