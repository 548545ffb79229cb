/*
 * What itexd sends, as bytes: every function fills a buffer of ITEXD_MAX_PACKET bytes with one ServerPacket and returns
 * its size, 0 where it does not fit.
 *
 * Decisions are put together from the blobs that the store keeps (Facts, Outcome), without taking them apart.
 */
#ifndef ITEXD_DAEMON_WIRE_H
#define ITEXD_DAEMON_WIRE_H

#include "daemon/refusal.h"
#include "db/store.h"
#include "itexd.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The highest field of Query (proto/itexd.proto) that this itexd goes by, as pages say. */
enum { WIRE_QUERY_FILTERS = 19 };

size_t wire_reply(uint8_t *buffer, uint64_t request, Itexd__V1__Reply *reply);
size_t wire_refusal(uint8_t *buffer, uint64_t request, enum refusal refusal, const char *detail);
size_t wire_event(uint8_t *buffer, const char *kind, const char *text);
/* The request's place in the queue for devices. */
size_t wire_waiting(uint8_t *buffer, uint64_t request, unsigned position, const char *substitute);

/* Can every answer that holds this outcome be sent, if need be without its diagnostics? */
bool wire_outcome_fits(struct store_blob outcome);
/* A decision; not recorded where row->id is 0. Where it is too large, the job's own variables are left out of its
 * facts, then the text of a flags file, and then diagnostics from the end, which are counted. substitute: the word for
 * devices that are no real GPUs, or NULL. */
size_t wire_decision(uint8_t *buffer, uint64_t request, const struct store_decision *row, const char *substitute);

/* As many rows as fit. *next: where the page after this one begins, 0 for none; on entry what the store said. */
size_t wire_query_page(uint8_t *buffer, uint64_t request, const struct store_decision *rows, size_t n_rows,
                       bool forward, uint64_t *next);

/* "asked", "offered", ... */
const char *wire_state(enum store_state_word state);

/* wire_many.c: as many rows or bodies as fit; before (0: none) and left as the store said. */
size_t wire_rows(uint8_t *buffer, uint64_t request, const struct store_brief *rows, size_t n_rows, uint64_t before,
                 uint64_t left);
size_t wire_bodies(uint8_t *buffer, uint64_t request, const struct store_body *bodies, size_t n_bodies);

#endif
