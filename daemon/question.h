/*
 * A request as a question to the resolver, answered from the resolutions made lately or anew.
 *
 * What became of the devices that the request asks for (grant.h) is part of the question: equal jobs on equal devices
 * are resolved once.
 */
#ifndef ITEXD_DAEMON_QUESTION_H
#define ITEXD_DAEMON_QUESTION_H

#include "daemon/grant.h"
#include "daemon/outcomes.h"
#include "daemon/ruleset.h"
#include "itexd.pb-c.h"

struct service;

struct question {
    const Itexd__V1__Resolve *request;
    const struct ruleset *set;
    const struct grant *grant; /* NULL: no devices were asked for */
    bool advise;
    char error[512];
};

/* 0, with a reference in *out; -EINVAL with the error's text; -ENOMEM. */
int question_answer(struct service *service, struct question *question, struct outcome_entry **out);

#endif
