/* itexctl rules load FILE...: sends rule files to the service, which checks and stores them as a new set. */
#include "client/core/memory_file.h"
#include "client/itexctl/commands_rules.h"
#include "client/itexctl/output.h"
#include "client/itexctl/rule_input.h"
#include "client/itexctl/service.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <string.h>

struct load_values {
    const char *name, *comment;
    bool activate;
    int64_t timeout;
};

/* The files as one RuleFiles message in a sealed memfd; -errno. */
static int pack_files(const struct rule_files *files)
{
    Itexd__V1__RuleFiles message = ITEXD__V1__RULE_FILES__INIT;
    CLEANUP(freep) Itexd__V1__RuleFiles__File *items = calloc(files->n_files + 1, sizeof(*items));
    CLEANUP(freep) Itexd__V1__RuleFiles__File **list = calloc(files->n_files + 1, sizeof(*list));
    if (!items || !list)
        return -ENOMEM;
    for (size_t i = 0; i < files->n_files; i++) {
        itexd__v1__rule_files__file__init(&items[i]);
        items[i].name = files->files[i].name;
        items[i].text = files->files[i].text;
        list[i] = &items[i];
    }
    message.n_files = files->n_files;
    message.files = list;
    size_t size = itexd__v1__rule_files__get_packed_size(&message);
    CLEANUP(freep) uint8_t *data = malloc(size + 1);
    if (!data)
        return -ENOMEM;
    itexd__v1__rule_files__pack(&message, data);
    return memory_file_create("itexd-rules", data, size);
}

/* A string in the message ends at its first NUL: what is behind it would be lost without a word. */
static int check_text(const struct rule_files *files, struct failure *failure)
{
    for (size_t i = 0; i < files->n_files; i++)
        if (memchr(files->files[i].text, '\0', files->files[i].size))
            return failure_set(failure, EXIT_BAD_CONFIG, "%s: it holds a NUL byte", files->files[i].name);
    return 0;
}

static int send_files(const struct context *context, const struct load_values *values, const char *name, int fd,
                      Itexd__V1__Reply **reply, struct failure *failure)
{
    CLEANUP(connection_freep) struct connection *connection = NULL;
    Itexd__V1__RulesLoad body = ITEXD__V1__RULES_LOAD__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    body.name = (char *)name;
    body.has_activate = 1;
    body.activate = values->activate;
    body.comment = (char *)values->comment;
    request.body_case = ITEXD__V1__REQUEST__BODY_RULES_LOAD;
    request.rules_load = &body;
    if (service_open(context, &connection, failure) < 0)
        return -1;
    return service_call(connection, &request, fd, values->timeout > 0 ? values->timeout : ADMIN_TIMEOUT_MS,
                        ITEXD__V1__REPLY__BODY_RULES_LOAD, reply, failure);
}

static int print_reply(const struct context *context, const Itexd__V1__RulesLoadReply *reply)
{
    for (size_t i = 0; i < reply->n_warnings; i++)
        note("%s", reply->warnings[i]);
    if (!reply->info)
        return fail(EXIT_UNAVAILABLE, "itexd did not say under which number it stored the set");
    if (context->json)
        return json_print(stdout, json_rule_set(reply->info)) < 0 ? EXIT_INTERNAL : EXIT_DONE;
    printf("rule set %" PRIu64 ": %u rules, digest %.12s, %s\n", reply->info->id, reply->rules,
           reply->info->digest ? reply->info->digest : "?", reply->info->active ? "active" : "not active");
    if (!reply->info->active)
        printf("To see what it would change: itexctl replay --rules %" PRIu64 " --since \"7 days ago\"\n"
               "To use it: itexctl rules activate %" PRIu64 "\n",
               reply->info->id, reply->info->id);
    return EXIT_DONE;
}

static int load_run(struct context *context, const struct operands *operands)
{
    const struct load_values *values = context->values;
    CLEANUP(rule_files_clear) struct rule_files files = RULE_FILES_INIT;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    if (read_rule_files((const char *const *)operands->items, (size_t)operands->n_items, &files, &failure) < 0 ||
        check_text(&files, &failure) < 0)
        return failure_report(&failure);
    CLEANUP(freep) char *path = strdup(operands->items[0]);
    CLEANUP(closep) int fd = pack_files(&files);
    if (!path || fd < 0)
        return fail(fd == -EFBIG ? EXIT_BAD_CONFIG : EXIT_INTERNAL, "cannot pass the files on: %s",
                    fd == -EFBIG ? "together they are larger than 16 MiB" : strerror(fd < 0 ? -fd : ENOMEM));
    if (send_files(context, values, values->name ? values->name : basename(path), fd, &reply, &failure) < 0)
        return failure_report(&failure);
    return print_reply(context, reply->rules_load);
}

static const struct option_def options[] = {
    {"activate", OPTION_FLAG, offsetof(struct load_values, activate), NULL, "make it the set in force"},
    {"comment", OPTION_TEXT, offsetof(struct load_values, comment), "TEXT", "why, for rules history"},
    {"name", OPTION_TEXT, offsetof(struct load_values, name), "NAME",
     "what to call it; default: the first file's name"},
    {"timeout", OPTION_DURATION, offsetof(struct load_values, timeout), "T",
     "wait that long for the service; default 60s", NULL, 1},
};
static const char *const formats[] = {"text", "json", NULL};
static const struct option_group groups[] = {{"Options", options, LENGTH(options), NULL}};

const struct command command_rules_load = {
    .name = "rules load",
    .summary = "store rule files as a new set",
    .usage = "[OPTION...] FILE...",
    .formats = formats,
    .groups = groups,
    .n_groups = LENGTH(groups),
    .values_size = sizeof(struct load_values),
    .run = load_run,
};
