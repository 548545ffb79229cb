/* Every way in which itexd says no, and the one place where it becomes an Error of the protocol. */
#ifndef ITEXD_DAEMON_REFUSAL_H
#define ITEXD_DAEMON_REFUSAL_H

#include "itexd.pb-c.h"

#include <stddef.h>

enum refusal {
    REFUSED_UNDECODABLE,
    REFUSED_OVERSIZED,
    REFUSED_UNKNOWN_REQUEST,
    REFUSED_FIELD, /* a field is missing or out of range */
    REFUSED_NO_HELLO,
    REFUSED_SECOND_HELLO,
    REFUSED_INCOMPATIBLE,
    REFUSED_RIGHTS,
    REFUSED_FOREIGN,
    REFUSED_REPORTER,
    REFUSED_NO_DECISION,
    REFUSED_NO_RULE_SET,
    REFUSED_NO_DEVICE,
    REFUSED_UNSEEN_DEVICE, /* in the past either */
    REFUSED_NO_DEVICES,    /* none are managed */
    REFUSED_DEVICE_BUSY,
    REFUSED_NO_LEASE,
    REFUSED_NO_PREVIOUS,
    REFUSED_CONNECTIONS,
    REFUSED_UID_CONNECTIONS,
    REFUSED_DESCRIPTORS,
    REFUSED_REQUESTS,
    REFUSED_READS,
    REFUSED_WRITES,
    REFUSED_RULES_BUSY,
    REFUSED_STOPPING,
    REFUSED_RULES,
    REFUSED_CONFIGURATION,
    REFUSED_STORE,
    REFUSED_BACKUP,
    REFUSED_REPLY_SIZE,
    REFUSED_LOCKED,
    REFUSED_OFFER_ENDED,
    REFUSED_INTERNAL,
    REFUSALS
};

Itexd__V1__Error__Code refusal_code(enum refusal refusal);
/* One or two words for metrics: "rights", "no-lease". They only ever grow. */
const char *refusal_name(enum refusal refusal);
/* The text, with detail (may be NULL) in its place. Cut at size. */
void refusal_text(enum refusal refusal, const char *detail, char *text, size_t size);

#endif
