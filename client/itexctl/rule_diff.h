/* What two rule sets differ in, rule by rule. */
#ifndef ITEXCTL_RULE_DIFF_H
#define ITEXCTL_RULE_DIFF_H

#include "daemon/resolver/rule_set.h"

#include <stdio.h>

enum rule_change { RULE_ADDED, RULE_REMOVED, RULE_CHANGED, RULE_MOVED };
typedef void (*rule_change_fn)(enum rule_change change, const struct rule_def *rule, const char *what, void *data);
/*
 * Calls report for each rule that is only in one of them, or differs (what names the parts), or stands elsewhere in the
 * order of those both have - order matters. 0 or -ENOMEM.
 */
int rule_diff(const struct rule_set_def *from, const struct rule_set_def *to, rule_change_fn report, void *data);

#endif
