/* The loop's side of reading: queries and lists of rule sets wait in one round, each with a ticket to take it back. */
#include "db/internal.h"

static uint64_t ask(struct store *store, struct job *job)
{
    uint64_t ticket = 0;

    if (!job)
        return 0;
    pthread_mutex_lock(&store->mutex);
    if (store->n_reads < READS_LIMIT) {
        ticket = job->ticket = ++store->last_ticket;
        store->n_reads++;
        STAILQ_INSERT_TAIL(&store->reads, job, link);
        pthread_cond_signal(&store->reader_wake);
    }
    pthread_mutex_unlock(&store->mutex);
    if (ticket == 0)
        job_free(job);
    return ticket;
}

uint64_t store_query(struct store *store, const struct store_filter *filter, size_t max_bytes, store_page_fn done,
                     void *context)
{
    return ask(store, job_query(filter, max_bytes, done, context));
}

uint64_t store_query_brief(struct store *store, const struct store_filter *filter, store_briefs_fn done, void *context)
{
    return ask(store, job_query_brief(filter, done, context));
}

uint64_t store_bodies(struct store *store, const struct store_bodies_of *wanted, store_bodies_fn done, void *context)
{
    return ask(store, job_bodies(wanted, done, context));
}

uint64_t store_rules_history(struct store *store, unsigned limit, store_rules_history_fn done, void *context)
{
    struct job *job = job_new(JOB_RULES_HISTORY, context);

    if (job) {
        job->done.rules_history = done;
        job->of.rules_history.limit = limit;
    }
    return ask(store, job);
}

static struct job *rule_sets_job(uint64_t id, bool previous, store_rule_sets_fn done, void *context)
{
    struct job *job = job_new(JOB_RULE_SETS, context);

    if (job) {
        job->done.rule_sets = done;
        job->of.rule_sets = (struct rule_sets_job){.id = id, .previous = previous};
    }
    return job;
}

uint64_t store_rule_sets(struct store *store, uint64_t id, store_rule_sets_fn done, void *context)
{
    return ask(store, rule_sets_job(id, false, done, context));
}

uint64_t store_previous_rule_set(struct store *store, store_rule_sets_fn done, void *context)
{
    return ask(store, rule_sets_job(0, true, done, context));
}

uint64_t store_events(struct store *store, const char *device, unsigned limit, store_events_fn done, void *context)
{
    return ask(store, job_events(device, limit, done, context));
}

/* Takes the ticket's job out of the list; NULL where it is not in it. */
static struct job *take_out(struct job_list *list, uint64_t ticket)
{
    struct job *job;

    STAILQ_FOREACH(job, list, link)
    {
        if (job->ticket == ticket) {
            STAILQ_REMOVE(list, job, job, link);
            return job;
        }
    }
    return NULL;
}

void store_cancel(struct store *store, uint64_t ticket)
{
    struct job *job;

    if (ticket == 0)
        return;
    pthread_mutex_lock(&store->mutex);
    job = take_out(&store->reads, ticket);
    if (!job)
        job = take_out(&store->completed, ticket);
    if (job)
        store->n_reads--;
    else if (store->reading && store->reading->ticket == ticket)
        store->reading->cancelled = true;
    pthread_mutex_unlock(&store->mutex);
    job_free(job);
}
