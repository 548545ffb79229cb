/*
 * Changes of the rules while serving. Each is a job that goes back and forth between the background (reading,
 * compiling), the store (keeping, activating, durably) and the loop (putting into force). At any failure the set in
 * force stays.
 */
#include "daemon/log.h"
#include "daemon/ruleset.h"
#include "daemon/service.h"
#include "daemon/status.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REQUIRED_SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

enum job_kind { JOB_LOAD, JOB_ACTIVATE, JOB_RELOAD, JOB_ATTACH };

struct ruleset_job {
    struct service *service;
    struct call *call; /* NULL: nobody waits for an answer */
    enum job_kind kind;
    uint32_t uid;
    /* What the background reads. */
    int fd;                   /* a sealed memfd */
    struct store_blob stored; /* owned */
    char *name;
    uint64_t id;
    bool chosen, shipped;
    const char *how; /* word of the activation */
    char *comment;   /* NULL: none */
    bool activate, check_only;
    bool options_good; /* of a reload */
    /* What it makes. */
    struct ruleset *set;
    struct options options;
    struct yaml_messages messages;
    int error;
};

static void job_free(struct ruleset_job *job)
{
    if (job->fd >= 0)
        close(job->fd);
    free((void *)job->stored.data);
    free(job->name);
    free(job->comment);
    ruleset_put(job->set);
    options_clear(&job->options);
    yaml_messages_clear(&job->messages);
    free(job);
}

/* Takes fd over. NULL: the call has been refused. */
static struct ruleset_job *job_new(struct service *service, struct call *call, enum job_kind kind, int fd)
{
    struct rulesets *rulesets = &service->rulesets;
    struct ruleset_job *job = rulesets->job ? NULL : calloc(1, sizeof *job);

    if (!job) {
        if (fd >= 0)
            close(fd);
        if (call)
            call_refuse(call, rulesets->job ? REFUSED_RULES_BUSY : REFUSED_INTERNAL,
                        rulesets->job ? NULL : "out of memory");
        return NULL;
    }
    *job = (struct ruleset_job){.service = service,
                                .call = call,
                                .kind = kind,
                                .how = kind == JOB_RELOAD   ? "shipped"
                                       : kind == JOB_ATTACH ? "carried"
                                                            : "activated",
                                .uid = call ? call->who.uid : geteuid(),
                                .fd = fd,
                                .options = OPTIONS_INIT,
                                .messages = YAML_MESSAGES_INIT};
    rulesets->job = job;
    return job;
}

/* The job is over; its call, if any is left, has been answered by the caller. */
static void job_end(struct ruleset_job *job)
{
    struct service *service = job->service;
    bool reload = job->kind == JOB_RELOAD;

    service->rulesets.job = NULL;
    job_free(job);
    if (!service->stopping) {
        status_notify(service); /* other rules, or why not */
        if (reload)
            notify_ready(&service->notify);
    }
    rulesets_watch_store(service);
}

static void job_refuse(struct ruleset_job *job, enum refusal refusal, const char *detail)
{
    char text[512];

    refusal_text(refusal, detail, text, sizeof text);
    log_event(EVENT_RULES_UNCHANGED, LOG_NUMBER(FIELD_UID, job->uid), LOG_TEXT(FIELD_WHY, text));
    if (job->call)
        call_refuse(job->call, refusal, detail);
    job_end(job);
}

static void job_done(struct ruleset_job *job)
{
    if (job->call)
        call_done(job->call);
    job_end(job);
}

/* False, and the job has ended: there is no memory for it. NULL and "" are none. */
static bool job_keep_comment(struct ruleset_job *job, const char *comment)
{
    if (!comment || !*comment)
        return true;
    job->comment = strdup(comment);
    if (!job->comment)
        job_refuse(job, REFUSED_INTERNAL, "out of memory");
    return job->comment != NULL;
}

static const char *check_comment(const char *comment)
{
    return comment && strlen(comment) > RULESET_MAX_COMMENT ? "a comment is 1000 bytes at most" : NULL;
}

/* The messages, a line each, as far as they fit. */
static void job_refuse_messages(struct ruleset_job *job, enum refusal refusal)
{
    char text[24576];
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < job->messages.n_items && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i ? "\n" : "", job->messages.items[i].text);
    if (job->messages.n_items == 0)
        snprintf(text, sizeof text, "%s", strerror(-job->error));
    if (!job->call && job->kind == JOB_RELOAD)
        for (size_t i = 0; i < job->messages.n_items; i++)
            log_event(EVENT_RELOAD_MISTAKE, LOG_TEXT(FIELD_MESSAGE, job->messages.items[i].text));
    job_refuse(job, refusal, text);
}

static void job_refuse_store(struct ruleset_job *job)
{
    struct store_status status;

    store_status(job->service->store, &status);
    job_refuse(job, REFUSED_STORE, status.problem[0] ? status.problem : "see the log");
}

static void job_run(struct ruleset_job *job, background_fn work, background_fn done)
{
    int error = background_start(&job->service->rulesets.background, work, done, job);

    if (error < 0)
        job_refuse(job, REFUSED_INTERNAL, strerror(-error));
}

/* ---- Into force ------------------------------------------------------------------------------------------- */

static void put_into_force(struct ruleset_job *job)
{
    struct rulesets *rulesets = &job->service->rulesets;
    struct ruleset *set = TAKE_PTR(job->set);

    /* What waited has been overtaken by a decision of the administrator's, or is in force itself now. */
    if (set->chosen || rulesets->waiting_id == set->id)
        rulesets_set_waiting(rulesets, NULL);
    rulesets->problem[0] = '\0';
    rulesets_adopt(job->service, set);
}

static void name_set(Itexd__V1__RuleSetName *name, const struct ruleset *set)
{
    itexd__v1__rule_set_name__init(name);
    name->has_id = set->id != 0;
    name->id = set->id;
    name->name = set->name;
    name->digest = (char *)set->digest;
}

/* What is in force now, and what was before: so that whoever changed it knows the way back. */
static void reply_activated(struct ruleset_job *job, const struct ruleset *before)
{
    Itexd__V1__Reply reply = ITEXD__V1__REPLY__INIT;
    Itexd__V1__Done done = ITEXD__V1__DONE__INIT;
    Itexd__V1__RuleSetName now, then;

    name_set(&now, job->service->rulesets.active);
    name_set(&then, before);
    done.ruleset = &now;
    done.ruleset_before = &then;
    reply.body_case = ITEXD__V1__REPLY__BODY_DONE;
    reply.done = &done;
    call_reply(job->call, &reply);
    job_end(job);
}

static void reply_load(struct ruleset_job *job, const struct ruleset *set, bool active)
{
    Itexd__V1__Reply reply = ITEXD__V1__REPLY__INIT;
    Itexd__V1__RulesLoadReply load = ITEXD__V1__RULES_LOAD_REPLY__INIT;
    Itexd__V1__RuleSetInfo info = ITEXD__V1__RULE_SET_INFO__INIT;
    CLEANUP(freep) char **warnings = calloc(job->messages.n_items + 1, sizeof *warnings);

    for (size_t i = 0; warnings && i < job->messages.n_items && i < 100; i++)
        warnings[load.n_warnings++] = job->messages.items[i].text;
    load.warnings = warnings;
    load.has_rules = true;
    load.rules = (uint32_t)rule_set_size(rules_compiled(set->rules));
    if (!job->check_only) {
        info.has_id = info.has_active = info.has_rules = true;
        info.id = set->id;
        info.active = active;
        info.rules = load.rules;
        info.name = set->name;
        info.digest = (char *)set->digest;
        info.origin = (char *)"loaded";
        load.info = &info;
    }
    reply.body_case = ITEXD__V1__REPLY__BODY_RULES_LOAD;
    reply.rules_load = &load;
    call_reply(job->call, &reply);
    job_end(job);
}

static void on_activated(void *context, int status, uint64_t id)
{
    struct ruleset_job *job = context;
    CLEANUP(ruleset_putp) struct ruleset *before = NULL;

    (void)id;
    if (status == -ENOENT) {
        job_refuse(job, REFUSED_NO_RULE_SET, "of this number");
        return;
    }
    if (status < 0) {
        job_refuse_store(job);
        return;
    }
    before = ruleset_get(job->service->rulesets.active);
    put_into_force(job);
    if (job->kind == JOB_LOAD)
        reply_load(job, job->service->rulesets.active, true);
    else if (job->call && job->kind == JOB_ACTIVATE)
        reply_activated(job, before);
    else
        job_done(job);
}

/* Makes the set, which is in the store, the active one there and then here. */
static void activate(struct ruleset_job *job)
{
    const struct store_activation activation = {
        .rule_set = job->set->id,
        .time_ms = clock_wall_ms(),
        .uid = job->uid,
        .chosen = job->set->chosen,
        .how = job->how,
        .comment = job->comment,
    };

    if (store_activate(job->service->store, &activation, on_activated, job) < 0)
        job_refuse(job, REFUSED_WRITES, NULL);
}

static void on_kept(void *context, int status, uint64_t id)
{
    struct ruleset_job *job = context;

    if (status < 0) {
        job_refuse_store(job);
        return;
    }
    job->set->id = id;
    if (job->activate) {
        activate(job);
    } else if (job->kind == JOB_ATTACH) {
        job_done(job);
    } else if (job->kind == JOB_LOAD) {
        reply_load(job, job->set, id == job->service->rulesets.active->id);
    } else {
        rulesets_set_waiting(&job->service->rulesets, job->set);
        job_done(job);
    }
}

static void keep(struct ruleset_job *job)
{
    struct store_rule_set row = ruleset_for_store(job->set, job->uid);

    row.comment = job->comment;
    if (store_put_rule_set(job->service->store, &row, on_kept, job) < 0)
        job_refuse(job, REFUSED_WRITES, NULL);
}

/* The store is back: the set in force goes into it, so that decisions can point to it. If it is not to be the active
 * one, the one that is does not compile, which status then tells. */
static void keep_present(struct ruleset_job *job, bool activate_it)
{
    struct rulesets *rulesets = &job->service->rulesets;

    if (!activate_it) {
        snprintf(rulesets->problem, sizeof rulesets->problem,
                 "the active rule set cannot be used, the shipped rules are in force; activate another set: %s",
                 job->messages.n_items > 0 ? job->messages.items[0].text : strerror(-job->error));
        log_event(EVENT_RULES_MISTAKE, LOG_TEXT(FIELD_MESSAGE, rulesets->problem));
    }
    job->set = ruleset_get(rulesets->active);
    job->activate = activate_it;
    keep(job);
}

/* ---- Load ------------------------------------------------------------------------------------------------- */

static int read_memfd(int fd, struct store_blob *out)
{
    struct stat info;
    size_t got = 0;

    if (fstat(fd, &info) < 0)
        return -errno;
    size_t size = (size_t)info.st_size;
    uint8_t *data = malloc(size + 1);
    if (!data)
        return -ENOMEM;
    out->data = data; /* freed with the job */
    out->size = size;
    while (got < size) {
        ssize_t part = pread(fd, data + got, size - got, (off_t)got);
        if (part <= 0)
            return part < 0 ? -errno : -EIO;
        got += (size_t)part;
    }
    return 0;
}

static void work_load(void *context)
{
    struct ruleset_job *job = context;

    job->error = read_memfd(job->fd, &job->stored);
    if (job->error == 0)
        job->error = ruleset_compile_stored(job->stored, job->name, &job->set, &job->messages);
    if (job->error == 0)
        rules_run_examples(job->set->rules, &job->messages);
    if (job->error == 0 && job->messages.n_errors > 0)
        job->error = -EINVAL;
}

static void done_load(void *context)
{
    struct ruleset_job *job = context;

    if (job->error < 0) {
        job_refuse_messages(job, job->messages.n_items > 0 ? REFUSED_RULES : REFUSED_INTERNAL);
        return;
    }
    job->set->chosen = true;
    if (job->check_only)
        reply_load(job, job->set, false);
    else
        keep(job);
}

/* NULL: it may be read at leisure, for nobody can change it any more. */
static const char *check_memfd(int fd)
{
    struct stat info;
    int seals;

    if (fd < 0)
        return "rules_load needs a memfd with the rule files beside the packet";
    seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & REQUIRED_SEALS) != REQUIRED_SEALS)
        return "the descriptor of rules_load is no memfd sealed against writing, shrinking, growing and unsealing";
    if (fstat(fd, &info) < 0 || info.st_size == 0)
        return "the memfd of rules_load is empty";
    if (info.st_size > (off_t)RULES_MAX_BYTES)
        return "the memfd of rules_load is larger than 16 MiB";
    return NULL;
}

void rulesets_load(struct call *call, const Itexd__V1__RulesLoad *request, int fd)
{
    const char *wrong = check_memfd(fd);
    struct ruleset_job *job;

    if (!wrong && request->name && strlen(request->name) > RULESET_MAX_NAME)
        wrong = "the name of a rule set is 128 bytes at most";
    if (!wrong)
        wrong = check_comment(request->comment);
    if (wrong) {
        if (fd >= 0)
            close(fd);
        call_refuse(call, REFUSED_FIELD, wrong);
        return;
    }
    job = job_new(call->service, call, JOB_LOAD, fd);
    if (!job)
        return;
    job->activate = request->activate;
    job->check_only = request->check_only;
    job->name = request->name ? strdup(request->name) : NULL;
    if (!job_keep_comment(job, request->comment))
        return;
    job_run(job, work_load, done_load);
}

/* ---- Activate and roll back ------------------------------------------------------------------------------- */

static void work_stored(void *context)
{
    struct ruleset_job *job = context;

    job->error = ruleset_compile_stored(job->stored, job->name, &job->set, &job->messages);
}

static void done_stored(void *context)
{
    struct ruleset_job *job = context;

    if (job->error < 0 && job->kind == JOB_ATTACH) {
        keep_present(job, false);
        return;
    }
    if (job->error < 0) {
        job_refuse_messages(job, REFUSED_RULES);
        return;
    }
    job->set->id = job->id;
    job->set->shipped = job->shipped;
    job->set->chosen = job->chosen;
    if (job->kind == JOB_ACTIVATE) {
        activate(job);
    } else { /* attached: it is the active one in the store already */
        put_into_force(job);
        job_done(job);
    }
}

static void on_files(void *context, int status, const struct store_rule_set *sets, size_t n_sets)
{
    struct ruleset_job *job = context;
    char number[24];

    if (status < 0) {
        job_refuse_store(job);
        return;
    }
    if (n_sets == 0) {
        snprintf(number, sizeof number, "%" PRIu64, job->id);
        job_refuse(job, REFUSED_NO_RULE_SET, number);
        return;
    }
    job->shipped = strcmp(sets[0].origin, "shipped") == 0;
    job->chosen = job->kind == JOB_ACTIVATE || sets[0].chosen;
    free(job->name);
    job->name = strdup(sets[0].name);
    uint8_t *copy = malloc(sets[0].files.size + 1);
    if (!copy || !job->name) {
        free(copy);
        job_refuse(job, REFUSED_INTERNAL, "out of memory");
        return;
    }
    memcpy(copy, sets[0].files.data, sets[0].files.size);
    job->stored = (struct store_blob){.data = copy, .size = sets[0].files.size};
    job_run(job, work_stored, done_stored);
}

static void fetch(struct ruleset_job *job, uint64_t id)
{
    job->id = id;
    if (store_rule_sets(job->service->store, id, on_files, job) == 0)
        job_refuse(job, REFUSED_READS, NULL);
}

void rulesets_activate(struct call *call, const Itexd__V1__RulesActivate *request)
{
    const char *wrong =
        request->id == 0 ? "rules_activate needs the number of a rule set" : check_comment(request->comment);
    struct ruleset_job *job;

    if (wrong) {
        call_refuse(call, REFUSED_FIELD, wrong);
        return;
    }
    job = job_new(call->service, call, JOB_ACTIVATE, -1);
    if (job && job_keep_comment(job, request->comment))
        fetch(job, request->id);
}

static void on_previous(void *context, int status, const struct store_rule_set *sets, size_t n_sets)
{
    struct ruleset_job *job = context;

    if (status < 0)
        job_refuse_store(job);
    else if (n_sets == 0 || sets[0].id == 0)
        job_refuse(job, REFUSED_NO_PREVIOUS, NULL);
    else
        fetch(job, sets[0].id);
}

void rulesets_rollback(struct call *call, const Itexd__V1__RulesRollback *request)
{
    const char *wrong = check_comment(request->comment);
    struct ruleset_job *job;

    if (wrong) {
        call_refuse(call, REFUSED_FIELD, wrong);
        return;
    }
    job = job_new(call->service, call, JOB_ACTIVATE, -1);
    if (!job || !job_keep_comment(job, request->comment))
        return;
    job->how = "rollback";
    if (store_previous_rule_set(call->service->store, on_previous, job) == 0)
        job_refuse(job, REFUSED_READS, NULL);
}

/* ---- Reload ----------------------------------------------------------------------------------------------- */

static void work_reload(void *context)
{
    struct ruleset_job *job = context;
    int result = options_load(job->service->argc, job->service->argv, &job->options, &job->messages);

    if (result != OPTIONS_OK)
        job->error = result < 0 ? result : -EINVAL;
    else
        job->error = ruleset_compile_directory(job->options.rules.text, &job->set, &job->messages);
    job->options_good = result == OPTIONS_OK;
}

static int apply_options(struct ruleset_job *job)
{
    struct service *service = job->service;
    const char *restart = options_needs_restart(&service->options, &job->options);
    struct options before = service->options;
    int error = options_keep_until_restart(&job->options, &before);

    if (error < 0)
        return error;
    if (restart)
        log_event(EVENT_RELOAD_PARTIAL, LOG_TEXT(FIELD_OPTION, restart),
                  LOG_TEXT(FIELD_MESSAGE, "takes effect when itexd is started again"));
    service->options = job->options;
    job->options = before; /* freed with the job */
    service->configuration_problem[0] = '\0';
    service_apply_options(service);
    log_event(EVENT_RELOADED, LOG_NUMBER(FIELD_UID, job->uid));
    return 0;
}

static void done_reload(void *context)
{
    struct ruleset_job *job = context;
    struct service *service = job->service;
    const struct ruleset *active = service->rulesets.active;

    if (job->error < 0) {
        snprintf(service->configuration_problem, sizeof service->configuration_problem,
                 "the last reload failed and changed nothing: %s",
                 job->messages.n_items > 0 ? job->messages.items[0].text : strerror(-job->error));
        job_refuse_messages(job, job->options_good ? REFUSED_RULES : REFUSED_CONFIGURATION);
        return;
    }
    if (apply_options(job) < 0) {
        job_refuse(job, REFUSED_INTERNAL, "out of memory");
        return;
    }
    if (strcmp(job->set->digest, active->digest) == 0) {
        job_done(job);
    } else if (active->id == 0 && !store_recording(service->store)) {
        put_into_force(job);
        job_done(job);
    } else {
        job->activate = active->shipped && !active->chosen;
        keep(job);
    }
}

void rulesets_reload(struct service *service, struct call *call)
{
    struct ruleset_job *job = job_new(service, call, JOB_RELOAD, -1);

    if (!job) {
        if (!call)
            log_event(EVENT_RELOAD_SKIPPED, LOG_TEXT(FIELD_WHY, "other rules are being read just now"));
        return;
    }
    notify_reloading();
    job_run(job, work_reload, done_reload);
}

/* ---- The store is back ------------------------------------------------------------------------------------ */

/* A set that a person chose, or loaded, goes before the shipped files that were in force meanwhile. */
static void on_stored_sets(void *context, int status, const struct store_rule_set *sets, size_t n_sets)
{
    struct ruleset_job *job = context;

    if (status < 0) {
        job_refuse_store(job);
        return;
    }
    for (size_t i = 0; i < n_sets; i++) {
        if (sets[i].active && (sets[i].chosen || strcmp(sets[i].origin, "shipped") != 0)) {
            fetch(job, sets[i].id);
            return;
        }
    }
    keep_present(job, true);
}

static void on_attach(evutil_socket_t fd, short what, void *context)
{
    struct service *service = context;
    struct ruleset_job *job;

    (void)fd;
    (void)what;
    if (service->rulesets.active->id != 0 || service->stopping)
        return;
    if (service->rulesets.job || !store_recording(service->store)) {
        rulesets_watch_store(service);
        return;
    }
    job = job_new(service, NULL, JOB_ATTACH, -1);
    if (job && store_rule_sets(service->store, 0, on_stored_sets, job) == 0)
        job_refuse(job, REFUSED_READS, NULL);
}

void rulesets_watch_store(struct service *service)
{
    static const struct timeval second = {.tv_sec = 1};
    struct rulesets *rulesets = &service->rulesets;

    if (!rulesets->active || rulesets->active->id != 0)
        return;
    if (!rulesets->attach)
        rulesets->attach = evtimer_new(service->base, on_attach, service);
    if (rulesets->attach && !evtimer_pending(rulesets->attach, NULL))
        evtimer_add(rulesets->attach, &second);
}

void rulesets_check_store(struct service *service)
{
    struct rulesets *rulesets = &service->rulesets;
    uint64_t generation = store_generation(service->store);

    if (!rulesets->active || generation == rulesets->generation)
        return;
    rulesets->generation = generation;
    rulesets->active->id = 0;
    rulesets_set_waiting(rulesets, NULL);
    rulesets_watch_store(service);
}

void rulesets_deinit(struct service *service)
{
    struct rulesets *rulesets = &service->rulesets;

    background_deinit(&rulesets->background);
    if (rulesets->job)
        job_free(rulesets->job); /* its call goes with its peer */
    if (rulesets->attach)
        event_free(rulesets->attach);
    ruleset_put(rulesets->active);
    free(rulesets->waiting_name);
    *rulesets = (struct rulesets){.background = BACKGROUND_NULL};
}
