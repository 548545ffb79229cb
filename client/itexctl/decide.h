/*
 * A decision for resolve, run and env: from the service, or made here (--offline) with the same resolver. Either way it
 * is an itexd.v1.Decision, so that everything behind it is the same.
 */
#ifndef ITEXCTL_DECIDE_H
#define ITEXCTL_DECIDE_H

#include "client/itexctl/ask.h"
#include "client/itexctl/service.h"

struct decided {
    Itexd__V1__Decision *decision;
    Itexd__V1__Resolve *request;
    struct connection *connection; /* NULL offline; what was offered lasts as long as it is open */
};
#define DECIDED_INIT                                                                                                   \
    {                                                                                                                  \
        .decision = NULL                                                                                               \
    }
void decided_clear(struct decided *decided);

/* examined: what is known of the script, NULL: nothing. 0, or -1 with *failure filled. */
int decide(const struct context *context, const struct ask *ask, enum ask_for whom, const struct examined *examined,
           struct decided *decided, struct failure *failure);
/* Tells the service that the decision is in force. Nobody waits for it to be recorded; a failure changes nothing. */
void decided_accept(struct decided *decided);
/* 0, or for a rejected decision 1 or 75. */
int decided_status(const struct decided *decided);
/* What a rejection comes down to, in one line; from malloc, NULL without memory. */
char *decided_rejection(const struct decided *decided);
/* Says it on stderr, with `more` behind it. */
void decided_report_rejection(const struct decided *decided, const char *more);

/* offline.c: decides here. */
int decide_offline(const struct ask *ask, const Itexd__V1__Resolve *request, Itexd__V1__Decision **decision,
                   struct failure *failure);
/* offline.c: the same by rules at hand. */
int decide_by_rules(const struct rules *rules, bool alternatives, const Itexd__V1__Resolve *request,
                    Itexd__V1__Decision **decision, struct failure *failure);
/* offline.c: computes the alternatives of a decision of the service, with the rule set it was made by. */
int decide_alternatives(struct connection *connection, Itexd__V1__Decision *decision, struct failure *failure);

#endif
