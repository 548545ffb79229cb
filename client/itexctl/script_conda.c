/*
 * conda run and its kind: see script.h. The environment's folder is found as conda itself would find it, as far as that
 * needs no conda: a prefix, or a name in the folders that the variables of the shell name, beside the program, or in
 * the list that conda keeps.
 */
#include "client/itexctl/itexctl.h"
#include "client/itexctl/script_walk.h"
#include "proto/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct tool {
    const char *name;
    const char *letters;             /* options of `run` that take a value; n and p are among them */
    const char *const *long_options; /* the same; ends with NULL */
};

static const char *const conda_options[] = {"name", "prefix", "cwd", NULL};
static const char *const micromamba_options[] = {"name", "prefix", "cwd",     "root-prefix", "attach",
                                                 "env",  "label",  "rc-file", NULL};
static const struct tool tools[] = {
    {"conda", "np", conda_options},
    {"mamba", "np", conda_options},
    {"micromamba", "npraew", micromamba_options},
};

/* What was said on the command line. */
struct wish {
    const char *name, *prefix, *root;
    bool elsewhere; /* --cwd: the script's path means something else */
};

static bool is_environment(const char *path)
{
    struct stat status;
    CLEANUP(freep) char *bin = NULL;
    if (asprintf(&bin, "%s/bin", path) < 0) {
        bin = NULL;
        return false;
    }
    return stat(bin, &status) == 0 && S_ISDIR(status.st_mode);
}

/* ---- Where it is ---------------------------------------------------------------------------------------- */

/* folder/sub/name, where that is one. 0 or -ENOMEM. */
static int try_folder(const char *folder, const char *sub, const char *name, char **prefix)
{
    CLEANUP(freep) char *path = NULL;
    if (*prefix || !folder || !folder[0])
        return 0;
    if (asprintf(&path, "%s%s%s%s", folder, sub, name[0] ? "/" : "", name) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    if (is_environment(path))
        *prefix = TAKE_PTR(path);
    return 0;
}

/* Each folder of a list with ':' between them. */
static int try_list(const char *list, const char *name, char **prefix)
{
    int r = 0;
    for (size_t length; list && *list && r >= 0; list += length + (list[length] == ':')) {
        length = strcspn(list, ":");
        CLEANUP(freep) char *folder = strndup(list, length);
        r = folder ? try_folder(folder, "", name, prefix) : -ENOMEM;
    }
    return r;
}

/* The environments that conda has made or seen, a line each. */
static int try_known(const char *home, const char *name, char **prefix)
{
    char line[4096];
    CLEANUP(freep) char *path = NULL;
    if (*prefix || !home)
        return 0;
    if (asprintf(&path, "%s/.conda/environments.txt", home) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    CLEANUP(fclosep) FILE *file = fopen(path, "re");
    while (file && !*prefix && fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(walk_base(line), name) != 0 || !is_environment(line))
            continue;
        *prefix = strdup(line);
        if (!*prefix)
            return -ENOMEM;
    }
    return 0;
}

/* The installation that a program named PREFIX/bin/conda or PREFIX/condabin/conda belongs to; NULL. From malloc. */
static char *root_of(const char *program)
{
    char *root = program && strchr(program, '/') ? realpath(program, NULL) : NULL;
    for (int up = 0; up < 2 && root; up++) {
        char *slash = strrchr(root, '/');
        if (slash)
            *slash = '\0';
    }
    return root;
}

static int find_by_name(const struct walk *walk, const struct wish *wish, const char *program, char **prefix)
{
    CLEANUP(freep) char *beside = root_of(program);
    CLEANUP(freep) char *of_shell = root_of(walk_getenv(walk, "CONDA_EXE"));
    const char *home = walk_getenv(walk, "HOME");
    const char *const roots[] = {wish->root, walk_getenv(walk, "MAMBA_ROOT_PREFIX"), beside, of_shell};
    bool base = strcmp(wish->name, "base") == 0;
    int r = try_list(walk_getenv(walk, "CONDA_ENVS_DIRS"), wish->name, prefix);
    if (r >= 0)
        r = try_list(walk_getenv(walk, "CONDA_ENVS_PATH"), wish->name, prefix);
    for (size_t i = 0; i < LENGTH(roots) && r >= 0; i++)
        r = try_folder(roots[i], base ? "" : "/envs", base ? "" : wish->name, prefix);
    if (r >= 0)
        r = try_folder(home, "/.conda/envs", wish->name, prefix);
    if (r >= 0)
        r = try_folder(home, "/micromamba/envs", wish->name, prefix);
    if (r >= 0)
        r = try_folder(home, "/.local/share/mamba/envs", wish->name, prefix);
    return r < 0 ? r : try_known(home, wish->name, prefix);
}

/* Without a name or a prefix it is the one that is active. A name with a slash is a path. */
static int find_environment(const struct walk *walk, const struct wish *wish, const char *program, char **prefix)
{
    const char *path = wish->prefix                            ? wish->prefix
                       : wish->name && strchr(wish->name, '/') ? wish->name
                       : !wish->name                           ? walk_getenv(walk, "CONDA_PREFIX")
                                                               : NULL;
    if (path && is_environment(path)) {
        *prefix = strdup(path);
        return *prefix ? 0 : -ENOMEM;
    }
    return wish->name && !path ? find_by_name(walk, wish, program, prefix) : 0;
}

/* ---- The command line ------------------------------------------------------------------------------------- */

static void keep(struct wish *wish, const char *name, size_t length, const char *value)
{
    const struct {
        const char *name;
        const char **field;
    } fields[] = {{"n", &wish->name},        {"name", &wish->name}, {"p", &wish->prefix},
                  {"prefix", &wish->prefix}, {"r", &wish->root},    {"root-prefix", &wish->root}};
    for (size_t i = 0; i < LENGTH(fields); i++)
        if (strlen(fields[i].name) == length && strncmp(fields[i].name, name, length) == 0)
            *fields[i].field = value;
    wish->elsewhere |= length == 3 && strncmp(name, "cwd", length) == 0;
}

static bool takes_value(const struct tool *tool, const char *name, size_t length)
{
    for (const char *const *known = tool->long_options; *known; known++)
        if (strlen(*known) == length && strncmp(*known, name, length) == 0)
            return true;
    return false;
}

/* One option at *at, which it moves on. */
static void read_option(const struct walk *walk, const struct tool *tool, size_t *at, struct wish *wish)
{
    const char *word = walk_word(walk, *at), *next = walk_word(walk, *at + 1);
    ++*at;
    if (word[1] == '-') {
        size_t length = strcspn(word + 2, "=");
        if (!takes_value(tool, word + 2, length))
            return;
        if (word[2 + length] != '=')
            ++*at;
        keep(wish, word + 2, length, word[2 + length] == '=' ? word + 3 + length : next);
        return;
    }
    for (const char *letter = word + 1; *letter; letter++) {
        if (!strchr(tool->letters, *letter))
            continue;
        if (!letter[1])
            ++*at;
        keep(wish, letter, 1, letter[1] ? letter + 1 : next);
        return;
    }
}

static int step_over_tool(struct walk *walk, const struct tool *tool)
{
    struct wish wish = {NULL};
    CLEANUP(freep) char *program = NULL;
    CLEANUP(freep) char *prefix = NULL;
    size_t at = walk->at + 1;
    const char *word = walk_word(walk, at);
    for (; word && word[0] == '-'; word = walk_word(walk, at))
        read_option(walk, tool, &at, &wish);
    if (!word || strcmp(word, "run") != 0)
        return WALK_END;
    for (at++; (word = walk_word(walk, at)) && word[0] == '-' && strcmp(word, "--") != 0;)
        read_option(walk, tool, &at, &wish);
    at += word && strcmp(word, "--") == 0;
    int r = walk_find_program(walk, walk_word(walk, walk->at), &program);
    if (r >= 0)
        r = find_environment(walk, &wish, program, &prefix);
    if (r < 0)
        return r;
    if (!prefix)
        return walk_end(walk, "the environment %s of %s was not found",
                        wish.prefix ? wish.prefix
                        : wish.name ? wish.name
                                    : "that is active",
                        tool->name);
    if (wish.elsewhere)
        walk->elsewhere = "run --cwd";
    free(walk->prefix);
    walk->prefix = TAKE_PTR(prefix);
    walk->at = at;
    return WALK_ON;
}

int walk_conda(struct walk *walk)
{
    const char *base = walk_base(walk_word(walk, walk->at));
    for (size_t i = 0; i < LENGTH(tools); i++)
        if (strcmp(base, tools[i].name) == 0)
            return step_over_tool(walk, &tools[i]);
    return -ENOENT;
}
