/* How a replay is told: as text, as one JSON object, and in CSV a line for each decision that would change. */
#ifndef ITEXCTL_REPLAY_REPORT_H
#define ITEXCTL_REPLAY_REPORT_H

#include "client/itexctl/output.h"
#include "client/itexctl/replay/engine.h"
#include "client/itexctl/replay/tally.h"

struct report {
    const struct context *context;
    bool verify;
    const char *to, *from; /* the sides, named */
    const char *to_digest; /* NULL in a verification */
    bool complete;
    uint64_t looked, total; /* how far it came, where it is not complete */
    uint64_t took_ms;
    uint64_t first_ms, last_ms; /* times of the oldest and newest decision, 0 for none */
};

int report_text(const struct report *report, const struct tally *tally);
int report_json(const struct report *report, const struct tally *tally);
/* The line of one decision; headings before the first. */
void report_csv_row(const struct engine_row *row, unsigned changes, bool first);

#endif
