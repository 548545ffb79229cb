/*
 * A request that is being answered. It ends by exactly one of call_reply, call_done, call_decision and call_refuse,
 * which also free it; at once in its handler, or later when the store or a worker has come back.
 *
 * When the peer goes first, a call that waits for a read ends with it; any other lives on without a peer until its work
 * is done, and its answer is dropped. So hanging up does not make room for more work than the quota allows.
 */
#ifndef ITEXD_DAEMON_CALL_H
#define ITEXD_DAEMON_CALL_H

#include "daemon/peer.h"
#include "daemon/refusal.h"
#include "db/store.h"
#include "itexd.pb-c.h"

struct service;

struct call {
    LIST_ENTRY(call) link;     /* of the peer's calls */
    TAILQ_ENTRY(call) waiting; /* for one decision, on this list; NULL: for none */
    struct call_list *waits_on;
    struct service *service;
    struct peer *peer; /* NULL: it has gone */
    struct quota_user *user;
    struct process who; /* of the peer, also after it has gone */
    uint64_t id;
    unsigned kind;     /* what its latency is counted as (metrics/counts.h) */
    uint64_t began_us; /* steady clock: when its packet was read */
    uint64_t ticket;   /* of a read in the store; 0: none */
    uint64_t about;    /* the decision or rule set that is read */
    bool reads;        /* counted as a read of its user */
    void *state;       /* the handler's own, freed with the call */
    void (*free_state)(void *state);
};
TAILQ_HEAD(call_list, call);

/* NULL where the quota of requests is used up or memory is: the refusal has then been sent. */
struct call *call_begin(struct service *service, struct peer *peer, uint64_t id, unsigned kind);
void call_reply(struct call *call, Itexd__V1__Reply *reply);
void call_done(struct call *call);
void call_decision(struct call *call, const struct store_decision *row);
/* Answers with what was packed into the server's outbound buffer; size 0: it did not fit. */
void call_packet(struct call *call, size_t size);
void call_refuse(struct call *call, enum refusal refusal, const char *detail);
/* May the call ask the store's reader something? False: the user has too many such calls already, and it was refused.
 */
bool call_may_read(struct call *call);
/* Waits behind others; the call is answered by whoever goes through the list, which must stay where it is. */
void call_wait(struct call *call, struct call_list *list);
/* The peer has gone. */
void call_peer_gone(struct call *call);

/* May the peer do what is for administrators? Looked up once per connection. */
bool call_is_administrator(struct call *call);
bool peer_is_administrator(const struct service *service, struct peer *peer);

/* A refusal that belongs to no call. */
void peer_refuse(struct service *service, struct peer *peer, uint64_t id, enum refusal refusal, const char *detail);

#endif
