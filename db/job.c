/*
 * Making, completing and freeing jobs.
 *
 * Hashes that the caller does not bring are taken here, in the loop's thread: while a commit waits for the disk the
 * next batch is being prepared, so the writer's own path stays short. An outcome's hash covers its columns too: equal
 * hash, equal row.
 */
#include "db/job.h"

#include <sha256.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct job *job_new(enum job_kind kind, void *context)
{
    struct job *job = calloc(1, sizeof *job);

    if (job) {
        job->kind = kind;
        job->context = context;
    }
    return job;
}

bool job_keep_text(struct job *job, const char **text)
{
    if (!*text)
        return true;
    *text = pool_copy(&job->pool, *text, strlen(*text));
    return *text != NULL;
}

static bool keep_blob(struct job *job, struct store_blob *blob)
{
    blob->data = pool_copy(&job->pool, blob->data, blob->size);
    return blob->data != NULL;
}

static bool keep_rules(struct job *job, struct store_decision *row)
{
    const char **rules = pool_alloc(&job->pool, row->n_rules * sizeof *rules);

    if (!rules)
        return false;
    for (size_t i = 0; i < row->n_rules; i++) {
        rules[i] = row->rules[i];
        if (!job_keep_text(job, &rules[i]))
            return false;
    }
    row->rules = rules;
    return true;
}

bool job_keep_units(struct job *job, const struct store_unit **units, size_t n)
{
    struct store_unit *own;

    if (n == 0)
        return true;
    own = pool_alloc(&job->pool, n * sizeof *own);
    if (!own)
        return false;
    for (size_t i = 0; i < n; i++) {
        own[i] = (struct store_unit){.key = (*units)[i].key, .tile = (*units)[i].tile};
        if (!job_keep_text(job, &own[i].key))
            return false;
    }
    *units = own;
    return true;
}

static bool keep_decision(struct job *job)
{
    struct store_decision *row = &job->of.decision.row;

    return job_keep_text(job, &row->job) && job_keep_text(job, &row->step) && job_keep_text(job, &row->policy) &&
           job_keep_text(job, &row->mode) && job_keep_text(job, &row->verdict) && job_keep_text(job, &row->itex) &&
           job_keep_text(job, &row->observed_mode) && keep_blob(job, &row->facts) && keep_blob(job, &row->outcome) &&
           keep_rules(job, row) && job_keep_units(job, &row->units, row->n_units);
}

static void hash_text(SHA256_CTX *context, const char *text)
{
    static const uint8_t absent = 0xff;

    if (text)
        SHA256Update(context, (const uint8_t *)text, strlen(text) + 1);
    else
        SHA256Update(context, &absent, 1);
}

void store_hash(const struct store_decision *decision, struct store_hashes *hashes)
{
    SHA256_CTX context;

    SHA256Init(&context);
    SHA256Update(&context, decision->facts.data, decision->facts.size);
    SHA256Final(hashes->facts, &context);

    SHA256Init(&context);
    hash_text(&context, decision->mode);
    hash_text(&context, decision->verdict);
    for (size_t i = 0; i < decision->n_rules; i++)
        hash_text(&context, decision->rules[i]);
    hash_text(&context, NULL);
    SHA256Update(&context, decision->outcome.data, decision->outcome.size);
    SHA256Final(hashes->outcome, &context);
}

struct job *job_if(struct job *job, bool filled)
{
    if (filled)
        return job;
    job_free(job);
    return NULL;
}

struct job *job_decision(const struct store_decision *decision, store_written_fn done, void *context)
{
    struct job *job = job_new(JOB_DECISION, context);

    if (!job)
        return NULL;
    job->done.written = done;
    job->of.decision.row = *decision;
    if (!keep_decision(job)) {
        job_free(job);
        return NULL;
    }
    if (decision->hashes)
        job->of.decision.hashes = *decision->hashes;
    else
        store_hash(decision, &job->of.decision.hashes);
    job->of.decision.row.hashes = NULL;
    return job;
}

struct job *job_report(const struct report_job *report, store_written_fn done, void *context)
{
    struct job *job = job_new(JOB_REPORT, context);

    if (!job)
        return NULL;
    job->done.written = done;
    job->of.report = *report;
    return job_if(job, job_keep_text(job, &job->of.report.mode));
}

struct job *job_rule_set(const struct store_rule_set *set, store_written_fn done, void *context)
{
    struct job *job = job_new(JOB_RULE_SET, context);
    struct store_rule_set *own;

    if (!job)
        return NULL;
    job->done.written = done;
    own = &job->of.rule_set.set;
    *own = *set;
    return job_if(job, job_keep_text(job, &own->name) && job_keep_text(job, &own->digest) &&
                           job_keep_text(job, &own->origin) && job_keep_text(job, &own->comment) &&
                           keep_blob(job, &own->files));
}

struct job *job_activation(const struct store_activation *activation, store_written_fn done, void *context)
{
    struct job *job = job_new(JOB_ACTIVATE, context);

    if (!job)
        return NULL;
    job->done.written = done;
    job->of.activate = *activation;
    return job_if(job, job_keep_text(job, &job->of.activate.how) && job_keep_text(job, &job->of.activate.comment));
}

static bool keep_filter(struct job *job, struct store_filter *filter)
{
    const char **const texts[] = {
        &filter->job,  &filter->mode,     &filter->rule,   &filter->verdict,        &filter->step,
        &filter->itex, &filter->observed, &filter->device, &filter->predicted_mode, &filter->predicted_outcome};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!job_keep_text(job, texts[i]))
            return false;
    return true;
}

struct job *job_query(const struct store_filter *filter, size_t max_bytes, store_page_fn done, void *context)
{
    struct job *job = job_new(JOB_QUERY, context);
    struct store_filter *own;

    if (!job)
        return NULL;
    job->done.page = done;
    job->of.query.max_bytes = max_bytes;
    own = &job->of.query.filter;
    *own = *filter;
    return job_if(job, keep_filter(job, own));
}

struct job *job_query_brief(const struct store_filter *filter, store_briefs_fn done, void *context)
{
    struct job *job = job_new(JOB_BRIEF, context);

    if (!job)
        return NULL;
    job->done.briefs = done;
    job->of.query.filter = *filter;
    return job_if(job, keep_filter(job, &job->of.query.filter));
}

static bool keep_ids(struct job *job, const uint64_t **ids, size_t n)
{
    if (n > 0)
        *ids = pool_copy(&job->pool, *ids, n * sizeof **ids);
    return n == 0 || *ids;
}

struct job *job_bodies(const struct store_bodies_of *wanted, store_bodies_fn done, void *context)
{
    struct job *job = job_new(JOB_BODIES, context);
    struct store_bodies_of *own;

    if (!job)
        return NULL;
    job->done.bodies = done;
    own = &job->of.bodies.wanted;
    *own = *wanted;
    return job_if(job, keep_ids(job, &own->facts_of, own->n_facts_of) &&
                           keep_ids(job, &own->outcomes_of, own->n_outcomes_of));
}

void job_free(struct job *job)
{
    if (!job)
        return;
    if (job->kind == JOB_BACKUP && job->of.backup_fd >= 0)
        close(job->of.backup_fd);
    pool_clear(&job->pool);
    free(job);
}

void job_done(struct job *job)
{
    switch (job->kind) {
    case JOB_QUERY:
        job->done.page(job->context, job->status, job->of.query.rows, job->of.query.n_rows, job->of.query.next);
        break;
    case JOB_BRIEF:
        job->done.briefs(job->context, job->status, job->of.query.briefs, job->of.query.n_rows, job->of.query.next,
                         job->of.query.left);
        break;
    case JOB_BODIES:
        job->done.bodies(job->context, job->status, job->of.bodies.bodies, job->of.bodies.n_bodies);
        break;
    case JOB_RULES_HISTORY:
        job->done.rules_history(job->context, job->status, job->of.rules_history.events,
                                job->of.rules_history.n_events);
        break;
    case JOB_RULE_SETS:
        job->done.rule_sets(job->context, job->status, job->of.rule_sets.sets, job->of.rule_sets.n_sets);
        break;
    case JOB_EVENTS:
        job->done.events(job->context, job->status, job->of.events.events, job->of.events.n_events);
        break;
    case JOB_DECISION:
    case JOB_STATE:
    case JOB_REPORT:
    case JOB_RULE_SET:
    case JOB_ACTIVATE:
    case JOB_DEVICE:
    case JOB_LEASE:
    case JOB_LEASE_STATE:
    case JOB_LIVE_LEASES:
    case JOB_EVENT:
    case JOB_SAMPLES:
    case JOB_BACKUP:
        if (job->done.written)
            job->done.written(job->context, job->status, job->id);
        break;
    }
}
