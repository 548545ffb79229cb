/*
 * The rule set in force, and how another one comes into force.
 *
 * Sets are compiled outside the loop and swapped in whole; a set that does not compile changes nothing. What is active
 * is decided by the database; while that is away the shipped files are in force, under id 0. Shipped rules that are
 * newer are stored at a start or reload, and activated by themselves only where a shipped set is active that nobody
 * chose; else they wait, and status names them.
 *
 * One change at a time: a second one is refused while the first is under way.
 */
#ifndef ITEXD_DAEMON_RULESET_H
#define ITEXD_DAEMON_RULESET_H

#include "daemon/background.h"
#include "daemon/call.h"
#include "daemon/rules/rules.h"
#include "db/store.h"

#include <stdbool.h>

/* A compiled set, shared by reference: decisions on their way to the disk hold the one they were made with. */
struct ruleset {
    unsigned references;
    uint64_t id; /* in the store; 0: not there */
    struct rules *rules;
    char *name;
    const char *digest; /* lives in rules */
    bool shipped;
    bool chosen;             /* by a person */
    struct store_blob files; /* RuleFiles; owned; kept, for another database may take the place of ours */
};

#define RULESET_MAX_NAME 128     /* bytes */
#define RULESET_MAX_COMMENT 1000 /* bytes */

struct ruleset_job;

struct rulesets {
    struct ruleset *active;
    uint64_t generation; /* of the database in which the numbers of sets are meant */
    uint64_t waiting_id; /* of newer shipped rules; 0: none wait */
    char *waiting_name;
    char waiting_digest[RULES_DIGEST_SIZE];
    char problem[512]; /* with the rules, for status; empty: none */
    struct background background;
    struct event *attach; /* fires while the set in force is not in the store */
    struct ruleset_job *job;
};

struct ruleset *ruleset_get(struct ruleset *set);
void ruleset_put(struct ruleset *set);
static inline void ruleset_putp(struct ruleset **set)
{
    ruleset_put(*set);
    *set = NULL;
}

/* Any thread. name NULL: the files' own. 0; -EINVAL with messages; -ENOMEM. */
int ruleset_compile_stored(struct store_blob files, const char *name, struct ruleset **out,
                           struct yaml_messages *messages);
int ruleset_compile_directory(const char *path, struct ruleset **out, struct yaml_messages *messages);

/* At the start, waits for the disk. 0; -EINVAL: no usable rules, messages say why; other -errno. */
int rulesets_init(struct service *service, struct yaml_messages *messages);
void rulesets_deinit(struct service *service);

/* Puts a set in force; takes the reference over. */
void rulesets_adopt(struct service *service, struct ruleset *set);
/* Newer shipped rules wait for an administrator; set NULL: none do. */
void rulesets_set_waiting(struct rulesets *rulesets, const struct ruleset *set);
/* As the store wants it. */
struct store_rule_set ruleset_for_store(const struct ruleset *set, uint32_t uid);

/* Requests. fd is taken over. */
void rulesets_load(struct call *call, const Itexd__V1__RulesLoad *request, int fd);
void rulesets_activate(struct call *call, const Itexd__V1__RulesActivate *request);
void rulesets_rollback(struct call *call, const Itexd__V1__RulesRollback *request);
void rulesets_list(struct call *call);
void rulesets_history(struct call *call, const Itexd__V1__RulesHistory *request);
void rulesets_show(struct call *call, const Itexd__V1__RulesShow *request);
/* Configuration and shipped rules; call NULL: nobody waits for the answer. */
void rulesets_reload(struct service *service, struct call *call);
/* Watches for the store's return while the set in force is not in it. */
void rulesets_watch_store(struct service *service);
/* Sees whether another database has taken the place of the one that the set in force is in; then it goes into that. */
void rulesets_check_store(struct service *service);

#endif
