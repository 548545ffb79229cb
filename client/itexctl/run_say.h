/* What itexctl run tells a person on standard error, a line each: only what there is to know. */
#ifndef ITEXCTL_RUN_SAY_H
#define ITEXCTL_RUN_SAY_H

#include "client/itexctl/decide.h"
#include "client/itexctl/examine.h"

/* How the job comes by the hook, which does inside it what no environment can. */
enum hook_kind {
    HOOK_OF_NO_PYTHON, /* nothing is to be hooked, or nobody wants it */
    HOOK_INSTALLED,    /* its Python has it */
    HOOK_BUNDLED,      /* by the runner that is put in front of the script */
    HOOK_MISSING,      /* not at all */
};
struct hook {
    enum hook_kind kind;
    char *runner; /* for HOOK_BUNDLED, from malloc */
    char *why;    /* for HOOK_MISSING, from malloc */
};
#define HOOK_INIT                                                                                                      \
    {                                                                                                                  \
        .kind = HOOK_OF_NO_PYTHON                                                                                      \
    }
void hook_clear(struct hook *hook);
/* look: the script was analysed, as far as there is one. 0 or -ENOMEM. */
int hook_find(const struct examined *examined, bool look, struct hook *hook);

/* The decision, unless there is nothing to do: mode, changes, what the job must do itself. */
void say_decision(const struct decided *decided, const struct examined *examined);
/* Each error in the script that the decision does not repair, as far as there are few; warnings are counted. */
void say_findings(const struct decided *decided, const struct examined *examined, const struct hook *hook,
                  bool errors_only);
/* That there is no hook, and why. */
void say_hook(const struct examined *examined, const struct hook *hook, bool require_mode);

/* "change train.py:7, which sets ITEX_OPS_OVERRIDE itself"; from malloc, NULL without memory. */
char *script_obligation_words(const char *token, const struct examined *examined);
/* Whether the error or warning will not come about, for something is done against it. decided NULL: nothing is. */
bool finding_repaired(const struct finding *finding, const Itexd__V1__Outcome *outcome, const struct hook *hook);

#endif
