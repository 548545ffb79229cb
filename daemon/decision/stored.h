/* Of this folder's own: stored Facts as a request. */
#ifndef ITEXD_DECISION_STORED_H
#define ITEXD_DECISION_STORED_H

#include "itexd.pb-c.h"

/* All of the request is borrowed from the facts, the policy and kept, which has room for their facts and overridden. */
void decision_borrow_request(const Itexd__V1__Facts *facts, char *policy, Itexd__V1__Fact **kept,
                             Itexd__V1__Resolve *request);

#endif
