/* Compiled sets, and which of them is in force from the start. */
#include "daemon/ruleset.h"
#include "daemon/log.h"
#include "daemon/service.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

struct ruleset *ruleset_get(struct ruleset *set)
{
    set->references++;
    return set;
}

void ruleset_put(struct ruleset *set)
{
    if (!set || --set->references > 0)
        return;
    rules_free(set->rules);
    free(set->name);
    free((void *)set->files.data);
    free(set);
}

/* The files as one RuleFiles message, which is how they are stored and sent. */
static int pack_files(const struct rule_files *files, struct store_blob *out)
{
    Itexd__V1__RuleFiles message = ITEXD__V1__RULE_FILES__INIT;
    CLEANUP(freep) Itexd__V1__RuleFiles__File *items = calloc(files->n_files + 1, sizeof *items);
    CLEANUP(freep) Itexd__V1__RuleFiles__File **pointers = calloc(files->n_files + 1, sizeof(void *));

    if (!items || !pointers)
        return -ENOMEM;
    for (size_t i = 0; i < files->n_files; i++) {
        items[i] = (Itexd__V1__RuleFiles__File)ITEXD__V1__RULE_FILES__FILE__INIT;
        items[i].name = files->files[i].name;
        items[i].text = files->files[i].text;
        pointers[i] = &items[i];
    }
    message.n_files = files->n_files;
    message.files = pointers;
    uint8_t *data = malloc(itexd__v1__rule_files__get_packed_size(&message) + 1);
    if (!data)
        return -ENOMEM;
    *out = (struct store_blob){.data = data, .size = itexd__v1__rule_files__pack(&message, data)};
    return 0;
}

static int compile(const struct rule_files *files, const char *name, struct ruleset **out,
                   struct yaml_messages *messages)
{
    CLEANUP(ruleset_putp) struct ruleset *set = calloc(1, sizeof *set);
    int error;

    if (!set)
        return -ENOMEM;
    set->references = 1;
    error = rules_load(files, &set->rules, messages);
    if (error < 0)
        return error;
    set->name = strdup(name && *name ? name : rules_name(set->rules));
    set->digest = rules_digest(set->rules);
    if (!set->name)
        return -ENOMEM;
    if (strlen(set->name) > RULESET_MAX_NAME) { /* it goes with every decision */
        yaml_error(messages, (struct yaml_place){.file = files->files[0].name},
                   "the name of the rule set is longer than %d bytes", RULESET_MAX_NAME);
        return -EINVAL;
    }
    error = pack_files(files, &set->files);
    if (error < 0)
        return error;
    *out = TAKE_PTR(set);
    return 0;
}

static int add_files(const Itexd__V1__RuleFiles *message, struct rule_files *files, struct yaml_messages *messages)
{
    for (size_t i = 0; i < message->n_files; i++) {
        const Itexd__V1__RuleFiles__File *file = message->files[i];
        const char *text = file->text ? file->text : "";
        const char *name = file->name && *file->name ? file->name : "(unnamed)";
        int error = rule_files_add(files, name, text, strlen(text));

        if (error == -EINVAL || error == -EEXIST) {
            yaml_error(messages, (struct yaml_place){.file = name},
                       "cannot be one of the files; each needs a name of its own, without a directory");
            return -EINVAL;
        }
        if (error < 0)
            return error;
    }
    return 0;
}

int ruleset_compile_stored(struct store_blob blob, const char *name, struct ruleset **out,
                           struct yaml_messages *messages)
{
    CLEANUP(rule_files_clear) struct rule_files files = RULE_FILES_INIT;
    Itexd__V1__RuleFiles *message = itexd__v1__rule_files__unpack(NULL, blob.size, blob.data);
    int error;

    if (!message) {
        yaml_error(messages, (struct yaml_place){.file = name ? name : "rules"},
                   "is no RuleFiles message of itexd.v1; send it with itexctl rules load");
        return -EINVAL;
    }
    error = add_files(message, &files, messages);
    itexd__v1__rule_files__free_unpacked(message, NULL);
    return error < 0 ? error : compile(&files, name, out, messages);
}

int ruleset_compile_directory(const char *path, struct ruleset **out, struct yaml_messages *messages)
{
    CLEANUP(rule_files_clear) struct rule_files files = RULE_FILES_INIT;
    int error = rule_files_read(path, &files);

    if (error < 0 || files.n_files == 0) {
        yaml_error(messages, (struct yaml_place){.file = path},
                   error < 0 ? "cannot be read: %s; set the option rules to the directory of the shipped rules"
                             : "has no rule files%s; set the option rules to the directory of the shipped rules",
                   error < 0 ? strerror(-error) : "");
        return -EINVAL;
    }
    error = compile(&files, NULL, out, messages);
    if (error == 0)
        (*out)->shipped = true;
    return error;
}

struct store_rule_set ruleset_for_store(const struct ruleset *set, uint32_t uid)
{
    return (struct store_rule_set){
        .name = set->name,
        .digest = set->digest,
        .origin = set->shipped ? "shipped" : "loaded",
        .created_ms = clock_wall_ms(),
        .created_uid = uid,
        .n_rules = (uint32_t)rule_set_size(rules_compiled(set->rules)),
        .files = set->files,
    };
}

void rulesets_adopt(struct service *service, struct ruleset *set)
{
    struct rulesets *rulesets = &service->rulesets;

    outcomes_clear(&service->outcomes);
    counts_adopt(&service->counts, rules_definitions(set->rules));
    ruleset_put(rulesets->active);
    rulesets->active = set;
    rulesets->generation = store_generation(service->store);
    rulesets_watch_store(service);
    malloc_trim(0); /* compiling leaves several megabytes behind */
    log_event(EVENT_RULES_ACTIVE, LOG_NUMBER(FIELD_RULESET, set->id), LOG_TEXT(FIELD_NAME, set->name),
              LOG_TEXT(FIELD_DIGEST, set->digest), LOG_TEXT(FIELD_ORIGIN, set->shipped ? "shipped" : "loaded"));
}

void rulesets_set_waiting(struct rulesets *rulesets, const struct ruleset *set)
{
    free(rulesets->waiting_name);
    rulesets->waiting_name = set ? strdup(set->name) : NULL;
    rulesets->waiting_id = set ? set->id : 0;
    snprintf(rulesets->waiting_digest, sizeof rulesets->waiting_digest, "%s", set ? set->digest : "");
    if (set)
        log_event(EVENT_RULES_WAITING, LOG_NUMBER(FIELD_RULESET, set->id), LOG_TEXT(FIELD_NAME, set->name),
                  LOG_TEXT(FIELD_DIGEST, set->digest));
}

/* ---- At the start ----------------------------------------------------------------------------------------- */

struct stored {
    struct ruleset *set;
    bool found;
    struct yaml_messages messages;
};

static void on_active_stored(void *context, int status, const struct store_rule_set *sets, size_t n_sets)
{
    struct stored *stored = context;

    if (status < 0 || n_sets == 0)
        return;
    stored->found = true;
    if (ruleset_compile_stored(sets[0].files, sets[0].name, &stored->set, &stored->messages) < 0)
        return;
    stored->set->id = sets[0].id;
    stored->set->chosen = sets[0].chosen;
    stored->set->shipped = strcmp(sets[0].origin, "shipped") == 0;
}

static void note_problem(struct rulesets *rulesets, const char *what, const struct yaml_messages *messages)
{
    snprintf(rulesets->problem, sizeof rulesets->problem, "%s: %s", what,
             messages->n_items > 0 ? messages->items[0].text : "out of memory");
    for (size_t i = 0; i < messages->n_items; i++)
        log_event(messages->items[i].warning ? EVENT_RULES_WARNING : EVENT_RULES_MISTAKE,
                  LOG_TEXT(FIELD_MESSAGE, messages->items[i].text));
}

/* Stores the shipped rules and says whether they are to be in force: nothing else is, or only what nobody chose. */
static bool store_shipped(struct service *service, struct ruleset *shipped, const struct stored *active)
{
    struct store_rule_set row = ruleset_for_store(shipped, geteuid());
    bool activate = !active->found || (active->set && active->set->shipped && !active->set->chosen);

    if (active->set && strcmp(active->set->digest, shipped->digest) == 0)
        return false;
    if (store_put_rule_set_now(service->store, &row, activate, &shipped->id) < 0)
        shipped->id = 0;
    return activate || !active->set;
}

static void choose(struct service *service, struct ruleset *shipped, struct stored *active)
{
    struct rulesets *rulesets = &service->rulesets;

    if (active->found && !active->set)
        note_problem(rulesets,
                     "the active rule set cannot be used, the shipped rules are in force; activate another set",
                     &active->messages);
    if (!shipped) {
        rulesets_adopt(service, TAKE_PTR(active->set));
        return;
    }
    if (store_shipped(service, shipped, active)) {
        rulesets_adopt(service, ruleset_get(shipped));
        return;
    }
    if (strcmp(active->set->digest, shipped->digest) != 0)
        rulesets_set_waiting(rulesets, shipped);
    rulesets_adopt(service, TAKE_PTR(active->set));
}

int rulesets_init(struct service *service, struct yaml_messages *messages)
{
    struct rulesets *rulesets = &service->rulesets;
    CLEANUP(ruleset_putp) struct ruleset *shipped = NULL;
    struct stored active = {.messages = YAML_MESSAGES_INIT};
    int error = background_init(&rulesets->background, service->base);

    if (error < 0)
        return error;
    error = ruleset_compile_directory(service->options.rules.text, &shipped, messages);
    if (error == -ENOMEM)
        return error;
    if (store_recording(service->store))
        store_load_active_rule_set(service->store, on_active_stored, &active);
    if (shipped || active.set) {
        if (!shipped)
            note_problem(rulesets, "the shipped rules cannot be used, those in the database are in force", messages);
        choose(service, shipped, &active);
        error = 0;
    }
    ruleset_put(active.set);
    yaml_messages_clear(&active.messages);
    return error;
}
