/* Listing rule sets and what was done to them, and reading their files in pages. */
#include "daemon/ruleset.h"
#include "daemon/service.h"
#include "daemon/wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define LIST_MAX 200
#define SHOW_BYTES (48u * 1024)

static void fill_info(Itexd__V1__RuleSetInfo *info, const struct store_rule_set *set)
{
    *info = (Itexd__V1__RuleSetInfo)ITEXD__V1__RULE_SET_INFO__INIT;
    info->has_id = set->id != 0;
    info->id = set->id;
    info->name = (char *)set->name;
    info->digest = (char *)set->digest;
    info->origin = (char *)set->origin;
    info->has_created_ms = set->created_ms != 0;
    info->created_ms = set->created_ms;
    info->has_created_uid = set->created_ms != 0;
    info->created_uid = set->created_uid;
    info->has_active = true;
    info->active = set->active;
    info->has_rules = true;
    info->rules = set->n_rules;
    info->has_activated_ms = info->has_activated_uid = set->activated_ms != 0;
    info->activated_ms = set->activated_ms;
    info->activated_uid = set->activated_uid;
}

static void refuse_reading(struct call *call)
{
    struct store_status status;

    store_status(call->service->store, &status);
    call_refuse(call, REFUSED_STORE, status.problem[0] ? status.problem : "rule sets cannot be read; see the log");
}

static void on_list(void *context, int status, const struct store_rule_set *sets, size_t n_sets)
{
    struct call *call = context;
    Itexd__V1__Reply reply = ITEXD__V1__REPLY__INIT;
    Itexd__V1__RulesListReply list = ITEXD__V1__RULES_LIST_REPLY__INIT;
    Itexd__V1__RuleSetInfo infos[LIST_MAX], *pointers[LIST_MAX];

    call->ticket = 0;
    if (status < 0) {
        refuse_reading(call);
        return;
    }
    for (; list.n_sets < n_sets && list.n_sets < LIST_MAX; list.n_sets++) {
        fill_info(&infos[list.n_sets], &sets[list.n_sets]);
        pointers[list.n_sets] = &infos[list.n_sets];
    }
    list.sets = pointers;
    reply.body_case = ITEXD__V1__REPLY__BODY_RULES_LIST;
    reply.rules_list = &list;
    call_reply(call, &reply);
}

void rulesets_list(struct call *call)
{
    if (!call_may_read(call))
        return;
    call->ticket = store_rule_sets(call->service->store, 0, on_list, call);
    if (call->ticket == 0)
        call_refuse(call, REFUSED_READS, NULL);
}

#define HISTORY_DEFAULT 100
#define HISTORY_MAX 500

static void fill_event(Itexd__V1__RulesEvent *event, Itexd__V1__RuleSetName *set, const struct store_rules_event *from)
{
    itexd__v1__rules_event__init(event);
    itexd__v1__rule_set_name__init(set);
    event->has_time_ms = event->has_uid = true;
    event->time_ms = from->time_ms;
    event->uid = from->uid;
    event->what = (char *)from->what;
    event->origin = (char *)from->origin;
    event->comment = (char *)from->comment;
    set->has_id = true;
    set->id = from->rule_set;
    set->name = (char *)from->name;
    set->digest = (char *)from->digest;
    event->ruleset = set;
}

/* As many as fit into a packet. */
static void on_history(void *context, int status, const struct store_rules_event *from, size_t n)
{
    struct call *call = context;
    Itexd__V1__Reply reply = ITEXD__V1__REPLY__INIT;
    Itexd__V1__RulesHistoryReply history = ITEXD__V1__RULES_HISTORY_REPLY__INIT;
    Itexd__V1__RulesEvent events[HISTORY_MAX], *pointers[HISTORY_MAX];
    Itexd__V1__RuleSetName sets[HISTORY_MAX];
    size_t limit = call->about, size = 0;

    call->ticket = 0;
    if (status < 0) {
        refuse_reading(call);
        return;
    }
    history.events = pointers;
    for (; history.n_events < n && history.n_events < limit; history.n_events++) {
        size_t i = history.n_events;

        fill_event(&events[i], &sets[i], &from[i]);
        size += itexd__v1__rules_event__get_packed_size(&events[i]) + 4;
        if (size > SHOW_BYTES)
            break;
        pointers[i] = &events[i];
    }
    history.has_more = true;
    history.more = history.n_events < n;
    reply.body_case = ITEXD__V1__REPLY__BODY_RULES_HISTORY;
    reply.rules_history = &history;
    call_reply(call, &reply);
}

void rulesets_history(struct call *call, const Itexd__V1__RulesHistory *request)
{
    unsigned limit = request->limit > 0 ? request->limit : HISTORY_DEFAULT;

    if (!call_may_read(call))
        return;
    call->about = limit < HISTORY_MAX ? limit : HISTORY_MAX;
    call->ticket = store_rules_history(call->service->store, (unsigned)call->about + 1, on_history, call);
    if (call->ticket == 0)
        call_refuse(call, REFUSED_READS, NULL);
}

static void refuse_missing(struct call *call)
{
    char number[24];

    snprintf(number, sizeof number, "%" PRIu64, call->about);
    call_refuse(call, REFUSED_NO_RULE_SET, number);
}

static void reply_show(struct call *call, const struct store_rule_set *set, uint64_t offset)
{
    Itexd__V1__Reply reply = ITEXD__V1__REPLY__INIT;
    Itexd__V1__RulesShowReply show = ITEXD__V1__RULES_SHOW_REPLY__INIT;
    Itexd__V1__RuleSetInfo info;

    fill_info(&info, set);
    if (offset > set->files.size) {
        call_refuse(call, REFUSED_FIELD, "rules_show asks for an offset behind the end of the files");
        return;
    }
    show.info = &info;
    show.has_total = show.has_offset = show.has_data = true;
    show.total = set->files.size;
    show.offset = offset;
    show.data.data = (uint8_t *)set->files.data + offset;
    show.data.len = set->files.size - offset < SHOW_BYTES ? set->files.size - offset : SHOW_BYTES;
    reply.body_case = ITEXD__V1__REPLY__BODY_RULES_SHOW;
    reply.rules_show = &show;
    call_reply(call, &reply);
}

static void on_show(void *context, int status, const struct store_rule_set *sets, size_t n_sets)
{
    struct call *call = context;
    const uint64_t *offset = call->state;

    call->ticket = 0;
    if (status < 0)
        refuse_reading(call);
    else if (n_sets == 0)
        refuse_missing(call);
    else
        reply_show(call, &sets[0], *offset);
}

void rulesets_show(struct call *call, const Itexd__V1__RulesShow *request)
{
    const struct ruleset *active = call->service->rulesets.active;
    uint64_t id = request->id != 0 ? request->id : active->id;
    uint64_t *offset;

    if (id == 0) { /* in force, but not in the store */
        struct store_rule_set set = ruleset_for_store(active, 0);
        set.active = true;
        set.created_ms = 0;
        reply_show(call, &set, request->offset);
        return;
    }
    if (!call_may_read(call))
        return;
    offset = malloc(sizeof *offset);
    if (!offset) {
        call_refuse(call, REFUSED_INTERNAL, "out of memory");
        return;
    }
    *offset = request->offset;
    call->state = offset;
    call->free_state = free;
    call->about = id;
    call->ticket = store_rule_sets(call->service->store, id, on_show, call);
    if (call->ticket == 0)
        call_refuse(call, REFUSED_READS, NULL);
}
