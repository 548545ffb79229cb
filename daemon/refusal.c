/* Codes and texts: what happened, which, and what to do about it. Each text has one %s for the detail. */
#include "daemon/refusal.h"

#include <stdio.h>

#define CODE(name) ITEXD__V1__ERROR__CODE__##name

static const struct {
    Itexd__V1__Error__Code code;
    const char *format;
} refusals[] = {
    [REFUSED_UNDECODABLE] = {CODE(BAD_REQUEST),
                             "the packet is not a Request of itexd.v1 (%s); the connection is closed"},
    [REFUSED_OVERSIZED] = {CODE(TOO_LARGE), "the packet is larger than %s bytes; the connection is closed"},
    [REFUSED_UNKNOWN_REQUEST] = {CODE(BAD_REQUEST),
                                 "this itexd does not know request %s; it may be older than the client"},
    [REFUSED_FIELD] = {CODE(BAD_REQUEST), "%s"},
    [REFUSED_NO_HELLO] = {CODE(NO_HELLO), "the first request of a connection must be hello, this one was %s"},
    [REFUSED_SECOND_HELLO] = {CODE(BAD_REQUEST), "hello was already said on this connection%s"},
    [REFUSED_INCOMPATIBLE] = {CODE(INCOMPATIBLE), "%s"},
    [REFUSED_RIGHTS] = {CODE(NOT_PERMITTED), "only root, itexd's own user and members of the group %s may do this"},
    [REFUSED_FOREIGN] = {CODE(NOT_PERMITTED), "%s belongs to another user; only administrators may ask about it"},
    [REFUSED_REPORTER] = {CODE(NOT_PERMITTED),
                          "a report is for the process that the decision was made for, and those it started%s"},
    [REFUSED_NO_DECISION] = {CODE(NOT_FOUND), "there is no decision %s (it may have been removed by retention)"},
    [REFUSED_NO_RULE_SET] = {CODE(NOT_FOUND), "there is no rule set %s; list them with: itexctl rules list"},
    [REFUSED_NO_DEVICE] = {CODE(NOT_FOUND), "no device is called %s; itexctl devices lists them"},
    [REFUSED_UNSEEN_DEVICE] = {CODE(NOT_FOUND),
                               "no device was ever called like that here%s; itexctl devices lists those "
                               "of today"},
    [REFUSED_NO_DEVICES] = {CODE(NOT_FOUND), "this itexd manages no devices (devices: off)%s"},
    [REFUSED_DEVICE_BUSY] = {CODE(BUSY), "this cannot be done now: %s"},
    [REFUSED_NO_LEASE] = {CODE(NOT_FOUND), "there is no lease %s (any more); list them with: itexctl leases"},
    [REFUSED_NO_PREVIOUS] = {CODE(NOT_FOUND), "no other rule set was active before this one%s"},
    [REFUSED_CONNECTIONS] = {CODE(LIMIT), "itexd has as many connections as it may have (%s); try again"},
    [REFUSED_UID_CONNECTIONS] = {CODE(LIMIT),
                                 "your user has as many connections to itexd as it may have (%s); close some"},
    [REFUSED_DESCRIPTORS] = {CODE(LIMIT), "itexd is out of file descriptors%s; try again"},
    [REFUSED_REQUESTS] = {CODE(LIMIT),
                          "your user has as many requests in flight as it may have (%s); wait for answers"},
    [REFUSED_READS] = {CODE(BUSY), "too many questions wait for the database%s; try again"},
    [REFUSED_WRITES] = {CODE(BUSY), "too much waits to be written to the database%s; try again"},
    [REFUSED_RULES_BUSY] = {CODE(BUSY), "other rules are being read just now%s; try again"},
    [REFUSED_STOPPING] = {CODE(STOPPING), "itexd is stopping%s; try again"},
    [REFUSED_RULES] = {CODE(BAD_RULES), "%s"},
    [REFUSED_CONFIGURATION] = {CODE(BAD_RULES), "nothing was changed, for the configuration has mistakes:\n%s"},
    [REFUSED_STORE] = {CODE(STORE), "the database cannot do this now: %s"},
    [REFUSED_BACKUP] = {CODE(BAD_REQUEST), "the descriptor for a backup %s"},
    [REFUSED_REPLY_SIZE] = {CODE(TOO_LARGE), "the answer does not fit in a packet%s; ask for less"},
    [REFUSED_LOCKED] = {CODE(LOCKED), "the configuration locks the policy, so %s is not possible; leave it out"},
    [REFUSED_OFFER_ENDED] = {CODE(NOT_FOUND),
                             "the lease of decision %s has ended, so its devices may be another's; ask again"},
    [REFUSED_INTERNAL] = {CODE(INTERNAL), "itexd could not do this: %s"},
};

Itexd__V1__Error__Code refusal_code(enum refusal refusal)
{
    return refusals[refusal].code;
}

void refusal_text(enum refusal refusal, const char *detail, char *text, size_t size)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the formats are the table's, each with one %s */
    snprintf(text, size, refusals[refusal].format, detail ? detail : "");
#pragma GCC diagnostic pop
}

const char *refusal_name(enum refusal refusal)
{
    static const char *const names[REFUSALS] = {
        [REFUSED_UNDECODABLE] = "undecodable",
        [REFUSED_OVERSIZED] = "oversized",
        [REFUSED_UNKNOWN_REQUEST] = "unknown-request",
        [REFUSED_FIELD] = "field",
        [REFUSED_NO_HELLO] = "no-hello",
        [REFUSED_SECOND_HELLO] = "second-hello",
        [REFUSED_INCOMPATIBLE] = "incompatible",
        [REFUSED_RIGHTS] = "rights",
        [REFUSED_FOREIGN] = "foreign",
        [REFUSED_REPORTER] = "reporter",
        [REFUSED_NO_DECISION] = "no-decision",
        [REFUSED_NO_RULE_SET] = "no-rule-set",
        [REFUSED_NO_DEVICE] = "no-device",
        [REFUSED_UNSEEN_DEVICE] = "unseen-device",
        [REFUSED_NO_DEVICES] = "no-devices",
        [REFUSED_DEVICE_BUSY] = "device-busy",
        [REFUSED_NO_LEASE] = "no-lease",
        [REFUSED_NO_PREVIOUS] = "no-previous",
        [REFUSED_CONNECTIONS] = "connections",
        [REFUSED_UID_CONNECTIONS] = "uid-connections",
        [REFUSED_DESCRIPTORS] = "descriptors",
        [REFUSED_REQUESTS] = "requests",
        [REFUSED_READS] = "reads",
        [REFUSED_WRITES] = "writes",
        [REFUSED_RULES_BUSY] = "rules-busy",
        [REFUSED_STOPPING] = "stopping",
        [REFUSED_RULES] = "rules",
        [REFUSED_CONFIGURATION] = "configuration",
        [REFUSED_STORE] = "store",
        [REFUSED_BACKUP] = "backup",
        [REFUSED_REPLY_SIZE] = "reply-size",
        [REFUSED_LOCKED] = "locked",
        [REFUSED_OFFER_ENDED] = "offer-ended",
        [REFUSED_INTERNAL] = "internal",
    };

    return names[refusal];
}
