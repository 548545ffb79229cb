/* Requests about decisions that were made: accept, report, explain, query; and decision_rows, decision_bodies
 * (past_many.c). */
#ifndef ITEXD_DAEMON_PAST_H
#define ITEXD_DAEMON_PAST_H

#include "daemon/call.h"

void past_accept(struct call *call, const Itexd__V1__Accept *request);
void past_report(struct call *call, const Itexd__V1__Report *request);
void past_explain(struct call *call, const Itexd__V1__Explain *request);
void past_query(struct call *call, const Itexd__V1__Query *request);
void past_rows(struct call *call, const Itexd__V1__DecisionRows *request);
void past_bodies(struct call *call, const Itexd__V1__DecisionBodies *request);

/* For both files: the store's filter of a query, with at most `most` rows. False: it asks for what it may not, or for
 * nonsense, and the call was refused. It points into the request. */
bool past_filter(struct call *call, const Itexd__V1__Query *request, unsigned most, struct store_filter *filter);
void past_refuse_store(struct call *call);

#endif
