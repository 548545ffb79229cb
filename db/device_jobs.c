/*
 * The loop's side of what is written about devices and leases: each call copies what it is given into a job and queues
 * it. They follow up on grants that have been made, so they may use the queue's reserve; samples may not, the next ones
 * come anyway.
 */
#include "db/internal.h"

#include <errno.h>
#include <string.h>

/* ---- Jobs -------------------------------------------------------------------------------------------- */

struct job *job_device(const struct store_device *device, store_written_fn done, void *context)
{
    struct job *job = job_new(JOB_DEVICE, context);
    struct store_device *own;

    if (!job)
        return NULL;
    job->done.written = done;
    own = &job->of.device;
    *own = *device;
    return job_if(job, job_keep_text(job, &own->key) && job_keep_text(job, &own->bdf) &&
                           job_keep_text(job, &own->uuid) && job_keep_text(job, &own->name) &&
                           job_keep_text(job, &own->driver));
}

struct job *job_lease(const struct store_lease *lease)
{
    struct job *job = job_new(JOB_LEASE, NULL);
    struct store_lease *own;

    if (!job)
        return NULL;
    own = &job->of.lease;
    *own = *lease;
    return job_if(job, job_keep_text(job, &own->job) && job_keep_units(job, &own->units, own->n_units));
}

struct job *job_lease_state(const struct lease_state_job *change)
{
    struct job *job = job_new(JOB_LEASE_STATE, NULL);

    if (!job)
        return NULL;
    job->of.lease_state = *change;
    return job_if(job, job_keep_text(job, &job->of.lease_state.state));
}

struct job *job_live_leases(const struct live_leases_job *live)
{
    struct job *job = job_new(JOB_LIVE_LEASES, NULL);
    struct live_leases_job *own;

    if (!job)
        return NULL;
    own = &job->of.live_leases;
    *own = *live;
    own->leases = pool_copy(&job->pool, live->leases, live->n * sizeof *live->leases);
    return job_if(job, own->leases != NULL);
}

struct job *job_event(const struct store_event *event)
{
    struct job *job = job_new(JOB_EVENT, NULL);
    struct store_event *own;

    if (!job)
        return NULL;
    own = &job->of.event;
    *own = *event;
    return job_if(job,
                  job_keep_text(job, &own->kind) && job_keep_text(job, &own->text) && job_keep_text(job, &own->device));
}

static bool keep_samples(struct job *job, const struct store_sample *samples, size_t n)
{
    struct store_sample *own = pool_alloc(&job->pool, n * sizeof *own);

    if (!own)
        return false;
    for (size_t i = 0; i < n; i++) {
        own[i] = samples[i];
        if (!job_keep_text(job, &own[i].device) || !job_keep_text(job, &own[i].metric))
            return false;
    }
    job->of.samples = (struct samples_job){own, n};
    return true;
}

struct job *job_samples(const struct store_sample *samples, size_t n)
{
    struct job *job = job_new(JOB_SAMPLES, NULL);

    return job ? job_if(job, keep_samples(job, samples, n)) : NULL;
}

struct job *job_events(const char *device, unsigned limit, store_events_fn done, void *context)
{
    struct job *job = job_new(JOB_EVENTS, context);

    if (!job)
        return NULL;
    job->done.events = done;
    job->of.events = (struct events_job){.device = device, .limit = limit};
    return job_if(job, job_keep_text(job, &job->of.events.device));
}

/* ---- Queueing ------------------------------------------------------------------------------------------ */

int store_put_device(struct store *store, const struct store_device *device, store_written_fn done, void *context)
{
    return store_put(store, job_device(device, done, context), store_follow_up_limit(store));
}

int store_put_lease(struct store *store, const struct store_lease *lease)
{
    return store_put(store, job_lease(lease), store_follow_up_limit(store));
}

int store_set_lease(struct store *store, uint64_t lease, const char *state, uint64_t time_ms)
{
    const struct lease_state_job change = {lease, time_ms, state};

    return store_put(store, job_lease_state(&change), store_follow_up_limit(store));
}

int store_live_leases(struct store *store, const uint64_t *leases, size_t n, uint64_t time_ms)
{
    const struct live_leases_job live = {leases, n, time_ms};

    return store_put(store, job_live_leases(&live), store_follow_up_limit(store));
}

int store_put_event(struct store *store, const struct store_event *event)
{
    return store_put(store, job_event(event), store_follow_up_limit(store));
}

int store_put_samples(struct store *store, const struct store_sample *samples, size_t n)
{
    return n > 0 ? store_put(store, job_samples(samples, n), store->config.queue_limit) : 0;
}
