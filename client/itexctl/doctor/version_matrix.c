/* Reading the version matrix: see version_matrix.h. */
#include "client/itexctl/doctor/version_matrix.h"
#include "client/itexctl/doctor/texts.h"
#include "client/itexctl/itexctl.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <string.h>

#define MOST_BYTES (1u << 20)

/* ---- As it is written ----------------------------------------------------------------------------------------- */

struct tensorflow_record {
    struct yaml_text wants, tried;
};
struct sycl_record {
    struct yaml_text library, oneapi, compiler;
};
struct driver_record {
    struct yaml_text stable, compute, loader;
};
struct release_record {
    struct yaml_place place;
    struct yaml_text itex;
    bool released;
    struct yaml_texts source;
    struct yaml_text python;
    struct tensorflow_record tensorflow;
    struct yaml_text keras;
    struct yaml_map packages;
    struct sycl_record sycl;
    struct driver_record driver;
};
struct matrix_record {
    struct yaml_list releases;
};

static const struct yaml_field tensorflow_fields[] = {
    {.key = "wants", YAML_TO(struct tensorflow_record, wants), .kind = YAML_TEXT, .required = true},
    {.key = "tried", YAML_TO(struct tensorflow_record, tried), .kind = YAML_TEXT},
};
static const struct yaml_table tensorflow_table = YAML_TABLE("tensorflow", struct tensorflow_record, tensorflow_fields);

static const struct yaml_field sycl_fields[] = {
    {.key = "library", YAML_TO(struct sycl_record, library), .kind = YAML_TEXT, .required = true},
    {.key = "oneapi", YAML_TO(struct sycl_record, oneapi), .kind = YAML_TEXT, .required = true},
    {.key = "compiler", YAML_TO(struct sycl_record, compiler), .kind = YAML_TEXT, .required = true},
};
static const struct yaml_table sycl_table = YAML_TABLE("sycl", struct sycl_record, sycl_fields);

static const struct yaml_field driver_fields[] = {
    {.key = "stable", YAML_TO(struct driver_record, stable), .kind = YAML_TEXT},
    {.key = "compute", YAML_TO(struct driver_record, compute), .kind = YAML_TEXT},
    {.key = "loader", YAML_TO(struct driver_record, loader), .kind = YAML_TEXT},
};
static const struct yaml_table driver_table = YAML_TABLE("driver", struct driver_record, driver_fields);

static const struct yaml_field release_fields[] = {
    {.key = "itex", YAML_TO(struct release_record, itex), .kind = YAML_TEXT, .required = true},
    {.key = "released", YAML_TO(struct release_record, released), .kind = YAML_BOOL},
    {.key = "source", YAML_TO(struct release_record, source), .kind = YAML_TEXTS, .required = true},
    {.key = "python", YAML_TO(struct release_record, python), .kind = YAML_TEXT, .required = true},
    {.key = "tensorflow",
     YAML_TO(struct release_record, tensorflow),
     .kind = YAML_RECORD,
     .table = &tensorflow_table,
     .required = true},
    {.key = "keras", YAML_TO(struct release_record, keras), .kind = YAML_TEXT, .required = true},
    {.key = "packages", YAML_TO(struct release_record, packages), .kind = YAML_MAP},
    {.key = "sycl", YAML_TO(struct release_record, sycl), .kind = YAML_RECORD, .table = &sycl_table, .required = true},
    {.key = "driver", YAML_TO(struct release_record, driver), .kind = YAML_RECORD, .table = &driver_table},
};
static const struct release_record release_defaults = {.released = true};
static const struct yaml_table release_table =
    YAML_TABLE("a release", struct release_record, release_fields, YAML_PLACE(struct release_record, place),
               .defaults = &release_defaults);

static const struct yaml_field matrix_fields[] = {
    {.key = "releases",
     YAML_TO(struct matrix_record, releases),
     .kind = YAML_RECORDS,
     .table = &release_table,
     .required = true},
};
static const struct yaml_table matrix_table = YAML_TABLE("the version matrix", struct matrix_record, matrix_fields);

/* ---- What it means ---------------------------------------------------------------------------------------------- */

static void keep_range(const struct yaml_text *text, struct matrix_range *range, struct yaml_messages *messages)
{
    const char *why;
    range->text = *text;
    if (text->text && package_range_read(text->text, &range->range, &why) < 0)
        yaml_error(messages, text->place, "\"%.*s\" is no range of versions: %s; write it as \">=2.15.1,<2.16\"",
                   yaml_shown(text->text), text->text, why);
}

static void keep_version(const struct yaml_text *text, struct package_version *version, struct yaml_messages *messages)
{
    if (text->text && package_version_read(text->text, version) < 0)
        yaml_error(messages, text->place, "\"%.*s\" is no version; write it as 2.15.0.3", yaml_shown(text->text),
                   text->text);
}

static void check_sources(const struct yaml_texts *source, struct yaml_messages *messages)
{
    static const char *const names[] = {"vendor", "metadata", "library", "manual", "measured", "source"};
    for (size_t i = 0; i < source->n_items; i++) {
        const char *text = source->items[i].text;
        size_t known = 0;
        while (known < LENGTH(names) && strcmp(names[known], text) != 0)
            known++;
        if (known == LENGTH(names))
            yaml_error(messages, source->items[i].place,
                       "\"%.*s\" is no source: vendor, metadata, library, manual, measured or source", yaml_shown(text),
                       text);
    }
}

static void check_library(const struct yaml_text *library, struct yaml_messages *messages)
{
    const char *text = library->text;
    if (text && (strncmp(text, "libsycl.so.", 11) != 0 || text[11] == '\0' ||
                 text[11 + strspn(text + 11, "0123456789")] != '\0'))
        yaml_error(messages, library->place, "\"%.*s\" is not the SYCL runtime's name; write it as libsycl.so.8",
                   yaml_shown(text), text);
}

/* Names are as in metadata that are normalised, which is how they are looked for. */
static void check_name(const struct yaml_text *name, struct yaml_messages *messages)
{
    const char *text = name->text;
    if (text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-")] != '\0')
        yaml_error(messages, name->place,
                   "\"%.*s\" is no name of a package here; write it in lower case with dashes, as absl-py",
                   yaml_shown(text), text);
}

static int keep_packages(const struct yaml_map *map, struct matrix_release *release, struct yaml_memory *memory,
                         struct yaml_messages *messages)
{
    release->packages = yaml_memory_get(memory, map->n_items, sizeof(*release->packages));
    if (!release->packages)
        return -ENOMEM;
    for (size_t i = 0; i < map->n_items; i++) {
        const struct yaml_pair *pair = &map->items[i];
        struct matrix_package *package = &release->packages[release->n_packages++];
        check_name(&pair->key, messages);
        package->name = pair->key.text;
        if (pair->values.n_items == 1)
            keep_range(&pair->values.items[0], &package->wants, messages);
        else
            yaml_error(messages, pair->values.place, "one range is wanted here; join several with commas");
    }
    return 0;
}

static int keep_release(const struct release_record *record, struct matrix_release *release, struct yaml_memory *memory,
                        struct yaml_messages *messages)
{
    *release = (struct matrix_release){
        .itex = record->itex,
        .released = record->released,
        .source = record->source,
        .sycl_library = record->sycl.library,
        .oneapi = record->sycl.oneapi,
        .driver = record->driver.stable,
        .compute = record->driver.compute,
        .loader = record->driver.loader,
    };
    struct package_version unused;
    keep_version(&record->itex, &release->version, messages);
    check_sources(&record->source, messages);
    check_library(&record->sycl.library, messages);
    keep_version(&record->sycl.oneapi, &unused, messages);
    keep_version(&record->driver.compute, &unused, messages);
    keep_version(&record->driver.loader, &unused, messages);
    keep_range(&record->python, &release->python, messages);
    keep_range(&record->tensorflow.wants, &release->tensorflow, messages);
    keep_range(&record->tensorflow.tried, &release->tensorflow_tried, messages);
    keep_range(&record->keras, &release->keras, messages);
    keep_range(&record->sycl.compiler, &release->compiler, messages);
    return keep_packages(&record->packages, release, memory, messages);
}

static void check_order(const struct version_matrix *matrix, struct yaml_messages *messages)
{
    for (size_t i = 1; i < matrix->n_releases; i++) {
        const struct matrix_release *before = &matrix->releases[i - 1], *release = &matrix->releases[i];
        if (!before->itex.text || !release->itex.text)
            continue;
        int compared = package_version_compare(&before->version, &release->version);
        if (compared >= 0)
            yaml_error(messages, release->itex.place, "%s stands behind %s: %s", release->itex.text, before->itex.text,
                       compared > 0 ? "releases go from old to new" : "a release has one row");
    }
}

int version_matrix_read(const char *file, const char *text, size_t size, struct version_matrix *matrix,
                        struct yaml_memory *memory, struct yaml_messages *messages)
{
    struct matrix_record record = {.releases.n_items = 0};
    *matrix = (struct version_matrix){.n_releases = 0};
    int r = yaml_read(file, text, size, &matrix_table, &record, memory, messages);
    if (r == -ENOMEM)
        return r;
    const struct release_record *records = record.releases.items;
    matrix->releases = yaml_memory_get(memory, record.releases.n_items, sizeof(*matrix->releases));
    if (!matrix->releases)
        return -ENOMEM;
    for (size_t i = 0; i < record.releases.n_items; i++)
        if (keep_release(&records[i], &matrix->releases[matrix->n_releases++], memory, messages) < 0)
            return -ENOMEM;
    check_order(matrix, messages);
    if (messages->out_of_memory)
        return -ENOMEM;
    return messages->n_errors > 0 ? -EINVAL : 0;
}

const char *version_matrix_path(void)
{
    const char *path = getenv("ITEXD_VERSIONS");
    return path && path[0] ? path : ITEXD_VERSIONS_FILE;
}

int version_matrix_load(struct version_matrix *matrix, struct yaml_memory *memory, struct yaml_messages *messages)
{
    const char *path = version_matrix_path();
    CLEANUP(freep) char *text = NULL;
    int r = file_text(path, MOST_BYTES, &text);
    *matrix = (struct version_matrix){.n_releases = 0};
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        yaml_error(messages, (struct yaml_place){.file = path}, "%s",
                   r == -EINVAL ? "it is no regular file" : strerror(-r));
        return messages->out_of_memory ? -ENOMEM : -EINVAL;
    }
    return version_matrix_read(path, text, strlen(text), matrix, memory, messages);
}

/* ---- Rows ----------------------------------------------------------------------------------------------------- */

static bool begins_alike(const struct package_version *a, const struct package_version *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((i < a->n_numbers ? a->numbers[i] : 0) != (i < b->n_numbers ? b->numbers[i] : 0))
            return false;
    return true;
}

const struct matrix_release *version_matrix_find(const struct version_matrix *matrix,
                                                 const struct package_version *itex, enum matrix_match *match)
{
    const struct matrix_release *near = NULL, *before = NULL;
    for (size_t i = 0; i < matrix->n_releases; i++) {
        const struct matrix_release *release = &matrix->releases[i];
        if (begins_alike(&release->version, itex, PACKAGE_VERSION_NUMBERS)) {
            *match = MATRIX_SAME;
            return release;
        }
        if (begins_alike(&release->version, itex, 2) && (!near || package_version_compare(&release->version, itex) < 0))
            near = release;
        if (release->released && package_version_compare(&release->version, itex) < 0)
            before = release;
    }
    *match = near ? MATRIX_NEAR : before ? MATRIX_OTHER : MATRIX_NONE;
    return near ? near : before;
}

const struct matrix_release *version_matrix_for_tensorflow(const struct version_matrix *matrix,
                                                           const struct package_version *tensorflow)
{
    for (size_t i = matrix->n_releases; i > 0; i--) {
        const struct matrix_release *release = &matrix->releases[i - 1];
        bool tried = !release->tensorflow_tried.text.text ||
                     package_version_in_range(tensorflow, &release->tensorflow_tried.range);
        if (release->released && tried && package_version_in_range(tensorflow, &release->tensorflow.range))
            return release;
    }
    return NULL;
}
