/*
 * Writing devices, events and samples, each within the transaction of a commit.
 *
 * A device is found by its key. Whoever refers to one that nobody has put (the database may be a new one, in the place
 * of a damaged one) makes it with no more than the key; the service puts the rest when it learns of the interruption.
 */
#include "db/internal.h"
#include "proto/clock.h"

#include <math.h>
#include <string.h>

/* 0 where there is none. */
static int find_device(struct writer *writer, const char *key, struct device_ref *out)
{
    sqlite3_stmt *find = writer->statements[SQL_FIND_DEVICE];
    int rc;

    *out = (struct device_ref){0, 0};
    sql_bind_text(find, 1, key);
    rc = sqlite3_step(find);
    if (rc == SQLITE_ROW) {
        out->device = sqlite3_column_int64(find, 0);
        out->version = sqlite3_column_int64(find, 1);
    }
    sqlite3_reset(find);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int add_device(struct writer *writer, const struct store_device *device, int64_t *id)
{
    sqlite3_stmt *add = writer->statements[SQL_ADD_DEVICE];
    int rc;

    sql_bind_text(add, 1, device->key);
    sqlite3_bind_int64(add, 2, (int64_t)device->first_seen_ms);
    sqlite3_bind_int64(add, 3, (int64_t)device->last_seen_ms);
    sqlite3_bind_int64(add, 4, device->drained);
    rc = sql_run(add);
    *id = sqlite3_last_insert_rowid(writer->db);
    return rc;
}

static void bind_version(sqlite3_stmt *statement, const struct store_device *device)
{
    sql_bind_text(statement, 2, device->bdf);
    sql_bind_text(statement, 3, device->uuid);
    sql_bind_text(statement, 4, device->name);
    sql_bind_text(statement, 5, device->driver);
    sqlite3_bind_int64(statement, 6, device->tiles);
    sqlite3_bind_int64(statement, 7, (int64_t)device->memory_bytes);
}

static int is_same_version(struct writer *writer, const struct store_device *device, int64_t version, bool *same)
{
    sqlite3_stmt *compare = writer->statements[SQL_SAME_VERSION];
    int rc;

    sqlite3_bind_int64(compare, 1, version);
    bind_version(compare, device);
    rc = sqlite3_step(compare);
    sqlite3_reset(compare);
    *same = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int add_version(struct writer *writer, const struct store_device *device, struct device_ref *ref)
{
    sqlite3_stmt *add = writer->statements[SQL_ADD_VERSION];
    int rc;

    sqlite3_bind_int64(add, 1, ref->device);
    bind_version(add, device);
    sqlite3_bind_int64(add, 8, (int64_t)device->last_seen_ms);
    rc = sql_run(add);
    ref->version = sqlite3_last_insert_rowid(writer->db);
    return rc;
}

static int update_device(struct writer *writer, const struct store_device *device, int64_t id)
{
    sqlite3_stmt *set = writer->statements[SQL_SET_DEVICE];

    sqlite3_bind_int64(set, 1, id);
    sqlite3_bind_int64(set, 2, (int64_t)device->last_seen_ms);
    sqlite3_bind_int64(set, 3, device->drained);
    sqlite3_bind_int64(set, 4, (int64_t)device->first_seen_ms); /* whoever referred to it first made it later */
    return sql_run(set);
}

int store_write_device(struct writer *writer, struct job *job)
{
    const struct store_device *device = &job->of.device;
    struct device_ref ref;
    bool same = false;
    int rc = find_device(writer, device->key, &ref);

    if (rc == SQLITE_OK)
        rc = ref.device == 0 ? add_device(writer, device, &ref.device) : update_device(writer, device, ref.device);
    if (rc == SQLITE_OK && ref.version != 0)
        rc = is_same_version(writer, device, ref.version, &same);
    if (rc == SQLITE_OK && !same)
        rc = add_version(writer, device, &ref);
    job->id = rc == SQLITE_OK ? (uint64_t)ref.device : 0;
    return store_settle(job, rc);
}

int store_refer_to_device(struct writer *writer, const char *key, bool version, struct device_ref *out)
{
    uint64_t now = clock_wall_ms();
    const struct store_device unknown = {
        .key = key,
        .bdf = strchr(key, '.') ? key : NULL, /* a UUID has none */
        .first_seen_ms = now,
        .last_seen_ms = now,
    };
    int rc = find_device(writer, key, out);

    if (rc == SQLITE_OK && out->device == 0)
        rc = add_device(writer, &unknown, &out->device);
    if (rc == SQLITE_OK && version && out->version == 0)
        rc = add_version(writer, &unknown, out);
    return rc;
}

/* ---- Events --------------------------------------------------------------------------------------------- */

int store_add_event(struct writer *writer, const struct store_event *event)
{
    sqlite3_stmt *add = writer->statements[SQL_ADD_EVENT];
    struct device_ref ref = {0, 0};
    int rc = event->device ? store_refer_to_device(writer, event->device, false, &ref) : SQLITE_OK;

    if (rc != SQLITE_OK)
        return rc;
    sqlite3_bind_int64(add, 1, (int64_t)event->time_ms);
    sql_bind_text(add, 2, event->kind);
    sql_bind_text(add, 3, event->text);
    sql_bind_id(add, 4, (uint64_t)ref.device);
    sql_bind_id(add, 5, event->lease);
    return sql_run(add);
}

int store_write_event(struct writer *writer, struct job *job)
{
    return store_settle(job, store_add_event(writer, &job->of.event));
}

/* ---- Samples -------------------------------------------------------------------------------------------- */

static int refer_to_metric(struct writer *writer, const char *name, int64_t *id)
{
    sqlite3_stmt *find = writer->statements[SQL_FIND_METRIC], *add = writer->statements[SQL_ADD_METRIC];
    int rc;

    sql_bind_text(find, 1, name);
    rc = sqlite3_step(find);
    *id = rc == SQLITE_ROW ? sqlite3_column_int64(find, 0) : 0;
    sqlite3_reset(find);
    if (rc != SQLITE_DONE)
        return rc == SQLITE_ROW ? SQLITE_OK : rc;
    sql_bind_text(add, 1, name);
    rc = sql_run(add);
    *id = sqlite3_last_insert_rowid(writer->db);
    return rc;
}

static void bind_value(sqlite3_stmt *statement, int index, double value)
{
    if (isnan(value))
        sqlite3_bind_null(statement, index);
    else
        sqlite3_bind_double(statement, index, value);
}

static int add_sample(struct writer *writer, const struct store_sample *sample, int64_t device)
{
    sqlite3_stmt *add = writer->statements[SQL_ADD_SAMPLE];
    int64_t metric;
    int rc = refer_to_metric(writer, sample->metric, &metric);

    if (rc != SQLITE_OK)
        return rc;
    sqlite3_bind_int64(add, 1, device);
    sqlite3_bind_int64(add, 2, metric);
    sqlite3_bind_int64(add, 3, (int64_t)sample->from_ms);
    sqlite3_bind_int64(add, 4, (int64_t)sample->to_ms);
    bind_value(add, 5, sample->least);
    bind_value(add, 6, sample->mean);
    bind_value(add, 7, sample->highest);
    return sql_run(add);
}

int store_write_samples(struct writer *writer, struct job *job)
{
    const struct samples_job *wanted = &job->of.samples;
    const char *of = "";
    struct device_ref ref = {0, 0};
    int rc = SQLITE_OK;

    for (size_t i = 0; rc == SQLITE_OK && i < wanted->n; i++) {
        const struct store_sample *sample = &wanted->samples[i];

        if (strcmp(sample->device, of) != 0) /* they come device by device */
            rc = store_refer_to_device(writer, sample->device, false, &ref);
        of = sample->device;
        if (rc == SQLITE_OK)
            rc = add_sample(writer, sample, ref.device);
    }
    return store_settle(job, rc);
}
