/*
 * Rule files: reading, checking, compiling, and their examples.
 *
 * A rule set is a list of YAML files (db/rules has the shipped ones). Reading reports every mistake of every
 * file in one run, each as file:line:column: message. Nothing here touches the network or the database; the
 * service and itexctl share it, so that a set can be checked, tried and replayed without the service.
 */
#ifndef ITEXD_RULES_RULES_H
#define ITEXD_RULES_RULES_H

#include "daemon/resolver/resolver.h"
#include "daemon/yaml/yaml_messages.h"

#include <stdio.h>

#define RULES_MAX_BYTES (16u << 20)

struct rule_file {
    char *name; /* base name, for messages and the digest */
    char *text;
    size_t size;
};

/* An owned list of files in their order, which is the order of the rules. */
struct rule_files {
    struct rule_file *files;
    size_t n_files;
};
#define RULE_FILES_INIT                                                                                                \
    {                                                                                                                  \
        .files = NULL                                                                                                  \
    }

/*
 * Adds one file, or all *.yaml of a directory in the order of their names, facts.yaml excepted. 0; -ENOENT also where a
 * directory has none; -EINVAL for what is neither file nor directory; other -errno, and those of rule_files_add. On an
 * error files is as before.
 */
int rule_files_read(const char *path, struct rule_files *files);
/* Adds a copy. 0; -EINVAL for a name that is empty or has '/'; -EEXIST for one that is there; -EFBIG where all would be
 * more than RULES_MAX_BYTES; -ENOMEM. */
int rule_files_add(struct rule_files *files, const char *name, const char *text, size_t size);
void rule_files_clear(struct rule_files *files);

/* The digest that names a set's content wherever it is: 64 hex digits and NUL. */
#define RULES_DIGEST_SIZE 65
void rule_files_digest(const struct rule_files *files, char digest[RULES_DIGEST_SIZE]);

/* A set as read: the compiled rules, their definitions (with the lines they came from) and their examples. */
struct rules;

/* 0; -EINVAL with errors in messages; -ENOMEM. messages may also hold warnings on success. */
int rules_load(const struct rule_files *files, struct rules **out, struct yaml_messages *messages);
void rules_free(struct rules *rules);
static inline void rules_freep(struct rules **rules)
{
    rules_free(*rules);
    *rules = NULL;
}

const struct rule_set *rules_compiled(const struct rules *rules);
const struct rule_set_def *rules_definitions(const struct rules *rules);
const char *rules_name(const struct rules *rules);
const char *rules_digest(const struct rules *rules);

/* Runs every example of the set; a failure is an error in messages. Returns how many ran. */
size_t rules_run_examples(const struct rules *rules, struct yaml_messages *messages);

/* The reference for people, as Markdown. 0, -EIO. */
int rules_write_reference(const struct rules *rules, FILE *out);

#endif
