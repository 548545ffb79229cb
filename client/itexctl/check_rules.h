/*
 * What a script comes to by the rules, without the service having to decide anything: resolved here, with the rule set
 * of the service where it is there, else the shipped one. And which line of the script a rule is about.
 */
#ifndef ITEXCTL_CHECK_RULES_H
#define ITEXCTL_CHECK_RULES_H

#include "client/itexctl/examine.h"
#include "client/itexctl/service.h"

struct check_rules {
    struct rules *rules;
    bool of_service;
};
#define CHECK_RULES_INIT                                                                                               \
    {                                                                                                                  \
        .rules = NULL                                                                                                  \
    }
void check_rules_clear(struct check_rules *rules);

/* Both: 0, or -1 with *failure. */

/* --offline and --rules leave the service alone; one that is away, slow or incompatible is no failure. */
int check_rules_open(const struct context *context, const struct ask *ask, struct check_rules *rules,
                     struct failure *failure);
/* The decision for a script that would run with the caller's environment, on no device in particular. */
int check_rules_decide(const struct check_rules *rules, const struct ask *ask, const struct examined *examined,
                       Itexd__V1__Decision **decision, struct failure *failure);

/* The line that makes the rule of a diagnostic hold; its file is NULL where no line of the script does. */
struct place check_rules_place(const struct check_rules *rules, const Itexd__V1__Diagnostic *diagnostic,
                               const struct examined *examined, const Itexd__V1__Decision *decision);

#endif
