/*
 * Which Python, and what it is: see installation.h. The version comes from what lies around it: a virtual
 * environment's pyvenv.cfg, the name that it has in the end (python3.11), its lib folder, the library it needs.
 */
#include "client/core/environment.h"
#include "client/itexctl/doctor/elf_file.h"
#include "client/itexctl/doctor/installation.h"
#include "client/itexctl/doctor/texts.h"
#include "client/itexctl/itexctl.h"
#include "client/itexctl/script.h"
#include "proto/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_CONFIG 65536

const char *environment_value(char *const *envp, const char *name)
{
    const char *value = environment_lookup(envp, name);
    return value && value[0] ? value : NULL;
}

/* ---- Which ------------------------------------------------------------------------------------------------- */

/* The interpreter of an environment's folder; where there is none, what it would be called. 0 or -ENOMEM. */
static int in_environment(const char *folder, const char **path, struct yaml_memory *memory)
{
    static const char *const names[] = {"bin/python3", "bin/python"};
    for (size_t i = 0; i < LENGTH(names); i++) {
        *path = keep_format(memory, "%s/%s", folder, names[i]);
        if (!*path)
            return -ENOMEM;
        char target[PATH_MAX];
        if (access(*path, F_OK) == 0 || readlink(*path, target, sizeof(target)) >= 0)
            return 0;
    }
    return 0;
}

static int by_path(const char **path, char *const *envp, struct yaml_memory *memory)
{
    CLEANUP(freep) char *found = NULL;
    int r = script_interpreter_for("", envp, &found);
    *path = NULL;
    if (r < 0 || !found)
        return r;
    *path = keep_copy(memory, found);
    return *path ? 0 : -ENOMEM;
}

/* A program that was asked for, also by a name that PATH has. */
static int by_option(const char *python, const char **path, char *const *envp, struct yaml_memory *memory)
{
    const char *search = environment_value(envp, "PATH");
    if (path_is_folder(python))
        return in_environment(python, path, memory);
    while (!strchr(python, '/') && search && *search) {
        size_t length = strcspn(search, ":");
        *path = keep_format(memory, "%.*s/%s", (int)length, search, python);
        if (!*path)
            return -ENOMEM;
        if (path_is_file(*path) && access(*path, X_OK) == 0)
            return 0;
        search += length + (search[length] == ':');
    }
    *path = keep_copy(memory, python);
    return *path ? 0 : -ENOMEM;
}

/* Also where PATH and the variable name the folder by different links. */
static bool is_in_environment(const char *program, const char *folder)
{
    char bin[PATH_MAX], own[PATH_MAX];
    struct stat bin_status, own_status;
    const char *slash = strrchr(program, '/');
    return slash && snprintf(own, sizeof(own), "%.*s/", (int)(slash - program), program) < (int)sizeof(own) &&
           snprintf(bin, sizeof(bin), "%s/bin", folder) < (int)sizeof(bin) && stat(bin, &bin_status) == 0 &&
           stat(own, &own_status) == 0 && bin_status.st_dev == own_status.st_dev &&
           bin_status.st_ino == own_status.st_ino;
}

static int choose(struct interpreter *interpreter, const char *python, char *const *envp, struct yaml_memory *memory)
{
    static const struct {
        const char *variable;
        enum interpreter_choice choice;
    } environments[] = {{"VIRTUAL_ENV", CHOSEN_VIRTUAL_ENV}, {"CONDA_PREFIX", CHOSEN_CONDA}};
    const char *of_path;
    if (python) {
        interpreter->choice = CHOSEN_OPTION;
        return by_option(python, &interpreter->path, envp, memory);
    }
    int r = by_path(&of_path, envp, memory);
    for (size_t i = 0; i < LENGTH(environments) && r >= 0 && !interpreter->path; i++) {
        const char *folder = environment_value(envp, environments[i].variable);
        if (!folder)
            continue;
        interpreter->choice = environments[i].choice;
        r = in_environment(folder, &interpreter->path, memory);
        if (of_path && !is_in_environment(of_path, folder))
            interpreter->path_differs = of_path;
    }
    if (r >= 0 && !interpreter->path && of_path) {
        interpreter->choice = CHOSEN_PATH;
        interpreter->path = of_path;
    }
    return r;
}

/* ---- Its version --------------------------------------------------------------------------------------------- */

/* "python3.11", "python3.13t": 0; -EINVAL: another name; -ENOENT: it has no version. */
static int version_of_name(const char *name, unsigned *major, unsigned *minor)
{
    int length = 0;
    if (strncmp(name, "python", 6) != 0)
        return -EINVAL;
    name += 6;
    if (sscanf(name, "%1u.%3u%n", major, minor, &length) == 2 && name[length + strspn(name + length, "tdm")] == '\0')
        return 0;
    return name[0] == '\0' || ((name[0] == '3' || name[0] == '2') && name[1] == '\0') ? -ENOENT : -EINVAL;
}

/* "3.11.2" or "3.11.2.final.0". */
static bool version_of_text(const char *text, struct interpreter *interpreter, struct yaml_memory *memory)
{
    unsigned major, minor, micro;
    int n = sscanf(text, "%1u.%3u.%3u", &major, &minor, &micro);
    if (n < 2)
        return false;
    interpreter->major = major;
    interpreter->minor = minor;
    interpreter->version =
        n == 3 ? keep_format(memory, "%u.%u.%u", major, minor, micro) : keep_format(memory, "%u.%u", major, minor);
    return interpreter->version != NULL;
}

/* The only lib/python3.N of a prefix. */
static bool version_of_folder(const char *prefix, unsigned *major, unsigned *minor)
{
    char path[PATH_MAX];
    size_t n = 0;
    if (snprintf(path, sizeof(path), "%s/lib", prefix) >= (int)sizeof(path))
        return false;
    DIR *folder = opendir(path);
    const struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        unsigned found_major, found_minor;
        if (version_of_name(entry->d_name, &found_major, &found_minor) < 0)
            continue;
        *major = found_major;
        *minor = found_minor;
        n++;
    }
    if (folder)
        closedir(folder);
    return n == 1;
}

/* libpython3.11.so.1.0, which an interpreter with a shared library needs. */
static bool version_of_library(const char *path, unsigned *major, unsigned *minor, struct yaml_memory *memory)
{
    struct elf_file file;
    if (elf_file_read(path, &file, memory) < 0)
        return false;
    for (size_t i = 0; i < file.n_needed; i++)
        if (sscanf(file.needed[i], "libpython%1u.%3u.so", major, minor) == 2 ||
            sscanf(file.needed[i], "libpython%1u.%3ut.so", major, minor) == 2)
            return true;
    return false;
}

/* A conda environment's record of the package, conda-meta/python-3.11.4-h123_0.json: the whole version. */
static int version_of_conda(struct interpreter *interpreter, struct yaml_memory *memory)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof(path), "%s/conda-meta", interpreter->prefix) >= (int)sizeof(path))
        return 0;
    DIR *folder = opendir(path);
    const struct dirent *entry;
    interpreter->conda = folder != NULL;
    while (folder && (entry = readdir(folder)))
        if (strncmp(entry->d_name, "python-", 7) == 0 && strncmp(entry->d_name + 7, "3.", 2) == 0 &&
            version_of_text(entry->d_name + 7, interpreter, memory))
            break;
    if (folder)
        closedir(folder);
    return 0;
}

/* ---- Virtual environments -------------------------------------------------------------------------------------- */

static char *strip(char *text)
{
    text += strspn(text, " \t");
    for (size_t n = strlen(text); n > 0 && strchr(" \t", text[n - 1]); n--)
        text[n - 1] = '\0';
    return text;
}

static int read_pyvenv(struct interpreter *interpreter, const char *folder, struct yaml_memory *memory)
{
    CLEANUP(freep) char *text = NULL;
    const char *path = keep_format(memory, "%s/pyvenv.cfg", folder);
    int r = path ? file_text(path, MOST_CONFIG, &text) : -ENOMEM;
    if (r < 0)
        return r == -ENOMEM ? r : 0;
    interpreter->virtual = true;
    interpreter->prefix = folder;
    char *line;
    for (char *at = text; (line = next_line(&at));) {
        char *equals = strchr(line, '=');
        if (!equals)
            continue;
        *equals = '\0';
        const char *key = strip(line), *value = strip(equals + 1);
        if (strcmp(key, "include-system-site-packages") == 0)
            interpreter->system_site = strcasecmp(value, "true") == 0;
        else if (strcmp(key, "version") == 0 || strcmp(key, "version_info") == 0)
            version_of_text(value, interpreter, memory);
    }
    return 0;
}

static const char *parent_of(const char *path, struct yaml_memory *memory)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return keep_copy(memory, ".");
    return slash == path ? keep_copy(memory, "/") : yaml_memory_copy(memory, path, (size_t)(slash - path));
}

/* The folder above the one that a program is in: of /opt/venv/bin/python, /opt/venv. Without /usr's link of /bin. */
static const char *prefix_of(const char *program, struct yaml_memory *memory)
{
    const char *folder = parent_of(program, memory);
    const char *prefix = folder ? parent_of(folder, memory) : NULL;
    return prefix && strcmp(prefix, "/") == 0 && path_is_folder("/usr/lib") ? keep_copy(memory, "/usr") : prefix;
}

/* Where the links from path end. NULL: nowhere; errno says why. */
static const char *behind_links(const char *path, struct yaml_memory *memory)
{
    char *real = realpath(path, NULL);
    const char *copy = real ? keep_copy(memory, real) : NULL;
    if (real && !copy)
        errno = ENOMEM;
    free(real);
    return copy;
}

/* ---- Together ---------------------------------------------------------------------------------------------- */

static enum interpreter_state look_at_file(const char *path)
{
    char head[4] = "";
    FILE *file = fopen(path, "re");
    size_t n = file ? fread(head, 1, sizeof(head), file) : 0;
    if (file)
        fclose(file);
    return n >= 2 && memcmp(head, "#!", 2) == 0 ? INTERPRETER_SCRIPT : INTERPRETER_FINE;
}

/* A virtual environment's own pyvenv.cfg wins over what stands behind its links: that may have been replaced. */
static int read_version(struct interpreter *interpreter, struct yaml_memory *memory)
{
    const char *slash = strrchr(interpreter->real, '/');
    unsigned major = 0, minor = 0;
    int named = version_of_name(slash ? slash + 1 : interpreter->real, &major, &minor);
    bool known = named == 0;
    if (named == -EINVAL) {
        interpreter->state = INTERPRETER_OTHER;
        return 0;
    }
    known = known || version_of_library(interpreter->real, &major, &minor, memory) ||
            version_of_folder(interpreter->base, &major, &minor);
    if (known)
        interpreter->base_minor = minor;
    int r = interpreter->virtual || interpreter->version ? 0 : version_of_conda(interpreter, memory);
    if (r < 0 || interpreter->version)
        return r;
    if (!known) {
        interpreter->state = INTERPRETER_UNKNOWN;
        return 0;
    }
    interpreter->major = major;
    interpreter->minor = minor;
    interpreter->version = keep_format(memory, "%u.%u", major, minor);
    return interpreter->version ? 0 : -ENOMEM;
}

/* path is made absolute for what is looked for around it. */
static int read_prefix(struct interpreter *interpreter, struct yaml_memory *memory)
{
    char current[PATH_MAX];
    const char *path = interpreter->path;
    if (path[0] != '/' && getcwd(current, sizeof(current)))
        path = keep_format(memory, "%s/%s", current, path);
    interpreter->prefix = path ? prefix_of(path, memory) : NULL;
    interpreter->base = prefix_of(interpreter->real, memory);
    if (!interpreter->prefix || !interpreter->base)
        return -ENOMEM;
    int r = read_pyvenv(interpreter, interpreter->prefix, memory);
    if (r >= 0 && !interpreter->virtual)
        interpreter->prefix = interpreter->base;
    return r;
}

int interpreter_find(struct interpreter *interpreter, const char *python, char *const *envp, struct yaml_memory *memory)
{
    char target[PATH_MAX];
    *interpreter = (struct interpreter){.choice = CHOSEN_NONE};
    int r = choose(interpreter, python, envp, memory);
    if (r < 0 || !interpreter->path)
        return r;
    interpreter->real = behind_links(interpreter->path, memory);
    if (!interpreter->real || !path_is_file(interpreter->real)) {
        if (!interpreter->real && errno == ENOMEM)
            return -ENOMEM;
        interpreter->state =
            readlink(interpreter->path, target, sizeof(target)) > 0 ? INTERPRETER_DANGLING : INTERPRETER_MISSING;
        return 0;
    }
    interpreter->state = look_at_file(interpreter->real);
    if (interpreter->state != INTERPRETER_FINE)
        return 0;
    r = read_prefix(interpreter, memory);
    if (r >= 0)
        r = read_version(interpreter, memory);
    if (r >= 0 && interpreter->state == INTERPRETER_FINE && interpreter->major != 3)
        interpreter->state = INTERPRETER_PYTHON2;
    if (r >= 0)
        interpreter->debian =
            strcmp(interpreter->base, "/usr") == 0 && path_is_folder("/usr/lib/python3/dist-packages");
    return r;
}
