/* What itexctl check prints of one script: lines like a compiler's, and what the script comes to. */
#ifndef ITEXCTL_CHECK_REPORT_H
#define ITEXCTL_CHECK_REPORT_H

#include "client/itexctl/check_rules.h"
#include "client/itexctl/output.h"

struct check_item {
    struct place place; /* file NULL: of the script as a whole */
    enum severity severity;
    const char *rule, *message, *fix;
    bool fixable;  /* by --fix */
    bool of_rules; /* found by a rule, not by the analyser */
    bool applied;  /* itexctl run does what the fix says */
};

/* Findings of the analyser and rules that hold, in the order of their lines; those without one come last. */
struct check_report {
    const char *file;
    const struct examined *examined;
    const struct check_rules *rules;
    const Itexd__V1__Decision *decision;
    struct check_item *items;
    size_t n_items;
    unsigned errors, warnings;
};
#define CHECK_REPORT_INIT                                                                                              \
    {                                                                                                                  \
        .items = NULL                                                                                                  \
    }
/* From file, examined, rules and decision, which are filled. 0 or -ENOMEM. */
int check_report_make(struct check_report *report);
void check_report_clear(struct check_report *report);

void check_report_print(const struct check_report *report, const struct printer *printer);
/* One object; NULL without memory. */
struct json_object *check_report_json(const struct check_report *report);

#endif
