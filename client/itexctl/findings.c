/* The analyser's JSON: see findings.h. A reader notes the first mistake; what is read after it does no harm. */
#include "client/itexctl/findings.h"
#include "client/itexctl/itexctl.h"
#include "daemon/resolver/facts.h"
#include "daemon/resolver/version.h"
#include "proto/cleanup.h"

#include <json-c/json.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT 1
#define DEPTH 16
/* What a request takes; a longer value is of no use to anybody. */
#define LONGEST_VALUE 256

struct reader {
    char error[160]; /* "": all is well so far */
};

__attribute__((format(printf, 2, 3))) static void mistake(struct reader *reader, const char *format, ...)
{
    va_list arguments;
    if (reader->error[0])
        return;
    va_start(arguments, format);
    vsnprintf(reader->error, sizeof(reader->error), format, arguments);
    va_end(arguments);
}

/* ---- Values --------------------------------------------------------------------------------------------- */

static struct json_object *member(struct reader *reader, struct json_object *object, const char *key,
                                  enum json_type type)
{
    struct json_object *value = NULL;
    if (!json_object_object_get_ex(object, key, &value) || !json_object_is_type(value, type)) {
        mistake(reader, "\"%s\" is missing, or is no %s", key, json_type_to_name(type));
        return NULL;
    }
    return value;
}

/* Without a NUL inside; never NULL. */
static const char *text_of(struct reader *reader, struct json_object *object, const char *key)
{
    struct json_object *value = member(reader, object, key, json_type_string);
    const char *text = value ? json_object_get_string(value) : "";
    if (value && strlen(text) != (size_t)json_object_get_string_len(value))
        mistake(reader, "\"%s\" has a NUL inside", key);
    return text;
}

/* NULL where it is null or absent. */
static const char *optional_text(struct reader *reader, struct json_object *object, const char *key)
{
    struct json_object *value = NULL;
    return json_object_object_get_ex(object, key, &value) && value ? text_of(reader, object, key) : NULL;
}

static bool flag_of(struct reader *reader, struct json_object *object, const char *key)
{
    struct json_object *value = member(reader, object, key, json_type_boolean);
    return value && json_object_get_boolean(value);
}

static unsigned number_of(struct reader *reader, struct json_object *object, const char *key)
{
    struct json_object *value = NULL;
    if (!json_object_object_get_ex(object, key, &value) || !value)
        return 0;
    int64_t number = json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : -1;
    if (number < 0 || number > INT_MAX)
        mistake(reader, "\"%s\" is no line or column", key);
    return number < 0 || number > INT_MAX ? 0 : (unsigned)number;
}

static struct place place_of(struct reader *reader, struct json_object *object)
{
    return (struct place){.file = optional_text(reader, object, "file"),
                          .line = number_of(reader, object, "line"),
                          .column = number_of(reader, object, "column")};
}

/* An array of objects and room for as many of ours; NULL where there are none, or it is wrong. */
static void *room_for(struct reader *reader, struct json_object *list, size_t size, size_t *n)
{
    *n = list ? json_object_array_length(list) : 0;
    for (size_t i = 0; i < *n; i++)
        if (!json_object_is_type(json_object_array_get_idx(list, i), json_type_object))
            mistake(reader, "a list has something else than objects");
    if (reader->error[0] || *n == 0) {
        *n = 0;
        return NULL;
    }
    void *items = calloc(*n, size);
    if (!items) {
        mistake(reader, "out of memory");
        *n = 0;
    }
    return items;
}

/* ---- Its parts ------------------------------------------------------------------------------------------- */

static bool is_digest(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

static void read_files(struct reader *reader, struct json_object *root, struct findings *findings)
{
    struct json_object *list = member(reader, root, "files", json_type_array);
    findings->files = room_for(reader, list, sizeof(*findings->files), &findings->n_files);
    for (size_t i = 0; i < findings->n_files; i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        struct source_file *file = &findings->files[i];
        file->path = text_of(reader, item, "path");
        file->sha256 = optional_text(reader, item, "sha256");
        file->parsed = flag_of(reader, item, "parsed");
        if (file->sha256 && !is_digest(file->sha256))
            mistake(reader, "\"sha256\" is no digest");
    }
}

/* Whether it can be sent. A version of which nothing follows is left out, for unknown it is. */
static bool fact_usable(struct reader *reader, const char *name, const char *value)
{
    int id = fact_by_name(name);
    if (id < 0 || fact_table[id].origin != FACT_DECLARED) {
        mistake(reader, "there is no fact \"%.40s\" to be found", name);
        return false;
    }
    if (fact_table[id].type != FACT_TYPE_TEXT && fact_value_by_name((enum fact_id)id, value) <= 0) {
        mistake(reader, "fact %s cannot be \"%.40s\"", name, value);
        return false;
    }
    bool versioned = id == FACT_ITEX || id == FACT_TENSORFLOW;
    return strlen(value) <= LONGEST_VALUE && (!versioned || version_names_generation(value));
}

static void read_facts(struct reader *reader, struct json_object *root, struct findings *findings)
{
    struct json_object *all = member(reader, root, "facts", json_type_object);
    findings->facts = all ? calloc((size_t)json_object_object_length(all) + 1, sizeof(*findings->facts)) : NULL;
    if (!findings->facts) {
        mistake(reader, "out of memory");
        return;
    }
    json_object_object_foreach(all, name, item)
    {
        if (!json_object_is_type(item, json_type_object)) {
            mistake(reader, "fact \"%.40s\" is no object", name);
            return;
        }
        const char *value = text_of(reader, item, "value");
        if (reader->error[0] || !fact_usable(reader, name, value))
            continue;
        findings->facts[findings->n_facts++] = (struct found_fact){
            .name = name, .value = value, .place = place_of(reader, item), .why = optional_text(reader, item, "why")};
    }
}

static void read_installation(struct reader *reader, struct json_object *root, struct findings *findings)
{
    struct json_object *all = member(reader, root, "installation", json_type_object);
    size_t n = all ? (size_t)json_object_object_length(all) : 0;
    findings->installation = all ? calloc(n + 1, sizeof(*findings->installation)) : NULL;
    if (!findings->installation) {
        mistake(reader, "out of memory");
        return;
    }
    json_object_object_foreach(all, name, item)
    {
        (void)item;
        const char *value = text_of(reader, all, name);
        if (!reader->error[0] && fact_usable(reader, name, value))
            findings->installation[findings->n_installation++] = (struct found_fact){.name = name, .value = value};
    }
}

static void read_variables(struct reader *reader, struct json_object *root, struct findings *findings)
{
    struct json_object *list = member(reader, root, "environment", json_type_array);
    findings->variables = room_for(reader, list, sizeof(*findings->variables), &findings->n_variables);
    for (size_t i = 0; i < findings->n_variables; i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        bool unset = flag_of(reader, item, "unset");
        findings->variables[i] = (struct found_variable){.name = text_of(reader, item, "name"),
                                                         .unconditional = flag_of(reader, item, "unconditional"),
                                                         .before_import = flag_of(reader, item, "before_import"),
                                                         .place = place_of(reader, item)};
        const char *value = optional_text(reader, item, "value");
        findings->variables[i].value = unset ? NULL : value;
        if (!unset && !value) /* set to something that only running it would tell */
            findings->variables[i].unconditional = false;
        const char *name = findings->variables[i].name;
        if (!name[0] || strchr(name, '='))
            mistake(reader, "a variable has no name");
    }
}

static enum severity severity_of(struct reader *reader, struct json_object *item)
{
    static const enum severity severities[] = {SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_ERROR};
    const char *word = text_of(reader, item, "severity");
    for (size_t i = 0; i < LENGTH(severities); i++)
        if (strcmp(severity_name(severities[i]), word) == 0)
            return severities[i];
    mistake(reader, "there is no severity \"%.40s\"", word);
    return SEVERITY_INFO;
}

static void read_items(struct reader *reader, struct json_object *root, struct findings *findings)
{
    struct json_object *list = member(reader, root, "findings", json_type_array);
    findings->items = room_for(reader, list, sizeof(*findings->items), &findings->n_items);
    for (size_t i = 0; i < findings->n_items; i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        struct json_object *edits = member(reader, item, "edits", json_type_array);
        findings->items[i] = (struct finding){.place = place_of(reader, item),
                                              .rule = text_of(reader, item, "rule"),
                                              .severity = severity_of(reader, item),
                                              .message = text_of(reader, item, "message"),
                                              .fix = optional_text(reader, item, "fix"),
                                              .fixable = edits && json_object_array_length(edits) > 0};
    }
}

static void read_search_path(struct reader *reader, struct json_object *depends, struct findings *findings)
{
    struct json_object *list = member(reader, depends, "path", json_type_array);
    size_t n = list ? json_object_array_length(list) : 0;
    findings->search_path = calloc(n + 1, sizeof(*findings->search_path));
    for (size_t i = 0; findings->search_path && i < n; i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        if (!json_object_is_type(item, json_type_string))
            mistake(reader, "\"path\" has something else than texts");
        else
            findings->search_path[findings->n_search_path++] = json_object_get_string(item);
    }
}

static void read_variables_read(struct reader *reader, struct json_object *depends, struct findings *findings)
{
    struct json_object *all = member(reader, depends, "environment", json_type_object);
    size_t n = all ? (size_t)json_object_object_length(all) : 0;
    findings->variables_read = calloc(n + 1, sizeof(*findings->variables_read));
    if (!all || !findings->variables_read)
        return;
    json_object_object_foreach(all, name, item)
    {
        (void)item;
        findings->variables_read[findings->n_variables_read++] =
            (struct dependence){.name = name, .value = optional_text(reader, all, name)};
    }
}

static void read_dependences(struct reader *reader, struct json_object *root, struct findings *findings)
{
    struct json_object *depends = NULL;
    if (!json_object_object_get_ex(root, "depends", &depends) || !depends)
        return;
    depends = member(reader, root, "depends", json_type_object);
    if (!depends)
        return;
    read_search_path(reader, depends, findings);
    read_variables_read(reader, depends, findings);
    findings->dependences_told = findings->search_path && findings->variables_read;
}

/* ---- All of it --------------------------------------------------------------------------------------------- */

static struct json_object *parse(struct reader *reader, const char *text, size_t size)
{
    if (size > INT_MAX) {
        mistake(reader, "it is too long");
        return NULL;
    }
    struct json_tokener *tokener = json_tokener_new_ex(DEPTH);
    if (!tokener) {
        mistake(reader, "out of memory");
        return NULL;
    }
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *root = json_tokener_parse_ex(tokener, text, (int)size);
    enum json_tokener_error error = json_tokener_get_error(tokener);
    size_t end = json_tokener_get_parse_end(tokener);
    bool more = end < size && strspn(text + end, " \t\r\n") < size - end;
    json_tokener_free(tokener);
    if (error != json_tokener_success || more || !json_object_is_type(root, json_type_object)) {
        mistake(reader, "it is no JSON object%s%s", error > json_tokener_continue ? ": " : "",
                error > json_tokener_continue ? json_tokener_error_desc(error) : "");
        json_object_put(root);
        return NULL;
    }
    return root;
}

static void read_root(struct reader *reader, struct findings *findings)
{
    struct json_object *root = findings->root, *format = member(reader, root, "format", json_type_int);
    if (format && json_object_get_int64(format) != FORMAT)
        mistake(reader, "its format is %lld, not %d", (long long)json_object_get_int64(format), FORMAT);
    findings->python = text_of(reader, root, "python");
    findings->hook = flag_of(reader, root, "hook");
    read_files(reader, root, findings);
    read_facts(reader, root, findings);
    read_installation(reader, root, findings);
    read_variables(reader, root, findings);
    read_items(reader, root, findings);
    read_dependences(reader, root, findings);
}

int findings_read(const char *text, size_t size, struct findings *findings, struct failure *failure)
{
    struct reader reader = {""};
    *findings = (struct findings)FINDINGS_INIT;
    findings->root = parse(&reader, text, size);
    if (findings->root)
        read_root(&reader, findings);
    if (!reader.error[0])
        return 0;
    findings_clear(findings);
    return failure_set(failure, EXIT_INTERNAL, "%s", reader.error);
}

void findings_clear(struct findings *findings)
{
    free(findings->files);
    free(findings->facts);
    free(findings->installation);
    free(findings->variables);
    free(findings->items);
    free(findings->search_path);
    free(findings->variables_read);
    json_object_put(findings->root);
    *findings = (struct findings)FINDINGS_INIT;
}

char *place_text(const struct place *place, const char *otherwise)
{
    char *text = NULL, line[16] = "", column[16] = "";
    if (place->line > 0)
        snprintf(line, sizeof(line), ":%u", place->line);
    if (place->line > 0 && place->column > 0)
        snprintf(column, sizeof(column), ":%u", place->column);
    return asprintf(&text, "%s%s%s", place->file ? place->file : otherwise, line, column) < 0 ? NULL : text;
}
