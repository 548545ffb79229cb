/* Requests about decisions that were made: accept, report, explain, query. */
#ifndef ITEXD_DAEMON_PAST_H
#define ITEXD_DAEMON_PAST_H

#include "daemon/call.h"

void past_accept(struct call *call, const Itexd__V1__Accept *request);
void past_report(struct call *call, const Itexd__V1__Report *request);
void past_explain(struct call *call, const Itexd__V1__Explain *request);
void past_query(struct call *call, const Itexd__V1__Query *request);

#endif
