/*
 * The folders that a Python imports packages from, in the order of sys.path: PYTHONPATH, the user's own, those of the
 * interpreter, and what .pth files in these add. The standard library's are left out.
 */
#include "client/itexctl/doctor/installation.h"
#include "client/itexctl/doctor/texts.h"
#include "client/itexctl/itexctl.h"
#include "proto/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define MOST_FOLDERS 256
#define MOST_PTH (256u << 10)
#define MOST_START_CODE 64

/* A folder that is there, once. 0 or -ENOMEM. */
static int add_folder(struct installation *installation, enum folder_kind kind, const char *path, const char *from)
{
    struct stat status;
    if (installation->n_folders >= MOST_FOLDERS || stat(path, &status) != 0 ||
        !(S_ISDIR(status.st_mode) || S_ISREG(status.st_mode)))
        return 0;
    for (size_t i = 0; i < installation->n_folders; i++)
        if (installation->folders[i].device == status.st_dev && installation->folders[i].inode == status.st_ino)
            return 0;
    struct site_folder *grown =
        keep_room(installation->memory, installation->folders, installation->n_folders, sizeof(*installation->folders));
    const char *copy = keep_copy(installation->memory, path);
    if (!grown || !copy)
        return -ENOMEM;
    installation->folders = grown;
    grown[installation->n_folders++] =
        (struct site_folder){.kind = kind, .path = copy, .from = from, .device = status.st_dev, .inode = status.st_ino};
    return 0;
}

/* ---- .pth files ---------------------------------------------------------------------------------------------- */

static int add_start_code(struct installation *installation, const char *file, const char *line)
{
    if (installation->n_start_code >= MOST_START_CODE)
        return 0;
    struct start_code *grown = keep_room(installation->memory, installation->start_code, installation->n_start_code,
                                         sizeof(*installation->start_code));
    const char *copy = yaml_memory_copy(installation->memory, line, strnlen(line, 120));
    if (!grown || !copy)
        return -ENOMEM;
    installation->start_code = grown;
    grown[installation->n_start_code++] = (struct start_code){.file = file, .line = copy};
    return 0;
}

static int read_pth_line(struct installation *installation, const char *folder, const char *file, char *line)
{
    if (line[0] == '#' || line[strspn(line, " \t")] == '\0')
        return 0;
    if (strncmp(line, "import ", 7) == 0 || strncmp(line, "import\t", 7) == 0)
        return add_start_code(installation, file, line);
    for (size_t n = strlen(line); n > 0 && strchr(" \t", line[n - 1]); n--)
        line[n - 1] = '\0';
    const char *path = line[0] == '/' ? line : keep_format(installation->memory, "%s/%s", folder, line);
    return path ? add_folder(installation, FOLDER_PTH, path, file) : -ENOMEM;
}

static int read_pth(struct installation *installation, const char *folder, const char *name)
{
    CLEANUP(freep) char *text = NULL;
    const char *path = keep_format(installation->memory, "%s/%s", folder, name);
    int r = path ? file_text(path, MOST_PTH, &text) : -ENOMEM;
    char *line;
    if (r < 0)
        return r == -ENOMEM ? r : 0;
    for (char *at = text; r >= 0 && (line = next_line(&at));)
        r = read_pth_line(installation, folder, path, line);
    return r;
}

static int is_pth(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 4 && strcmp(entry->d_name + length - 4, ".pth") == 0 && entry->d_name[0] != '.';
}

/* site.py sorts them by their bytes. */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_pth_files(struct installation *installation, const char *folder)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, is_pth, by_bytes), r = 0;
    if (n < 0)
        return errno == ENOMEM ? -ENOMEM : 0;
    for (int i = 0; i < n; i++) {
        if (r >= 0)
            r = read_pth(installation, folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return r;
}

/* A folder that site.py reads .pth files of. */
static int add_site(struct installation *installation, enum folder_kind kind, const char *path)
{
    size_t before = installation->n_folders;
    int r = path ? add_folder(installation, kind, path, NULL) : -ENOMEM;
    return r < 0 || installation->n_folders == before ? r : read_pth_files(installation, path);
}

/* ---- Which ---------------------------------------------------------------------------------------------------- */

static int add_pythonpath(struct installation *installation, char *const *envp)
{
    const char *search = environment_value(envp, "PYTHONPATH");
    int r = 0;
    for (size_t length; r >= 0 && search && *search; search += length + (search[length] == ':')) {
        length = strcspn(search, ":");
        const char *path = yaml_memory_copy(installation->memory, length ? search : ".", length ? length : 1);
        r = path ? add_folder(installation, FOLDER_PYTHONPATH, path, NULL) : -ENOMEM;
    }
    return r;
}

static int add_user_site(struct installation *installation, const char *home, char *const *envp)
{
    const struct interpreter *interpreter = &installation->interpreter;
    const char *base = environment_value(envp, "PYTHONUSERBASE");
    if (!base && !home)
        return 0;
    installation->user_site =
        keep_format(installation->memory, "%s%s/lib/python%u.%u/site-packages", base ? base : home,
                    base ? "" : "/.local", interpreter->major, interpreter->minor);
    if (!installation->user_site)
        return -ENOMEM;
    if (environment_value(envp, "PYTHONNOUSERSITE"))
        installation->user_site_off = "PYTHONNOUSERSITE is set";
    else if (interpreter->virtual && !interpreter->system_site)
        installation->user_site_off = "a virtual environment without system packages does not use it";
    return installation->user_site_off ? 0 : add_site(installation, FOLDER_USER, installation->user_site);
}

static int add_prefix(struct installation *installation, const char *prefix)
{
    static const char *const libraries[] = {"lib", "lib64"};
    const struct interpreter *interpreter = &installation->interpreter;
    int r = 0;
    for (size_t i = 0; i < LENGTH(libraries) && r >= 0; i++)
        r = add_site(installation, FOLDER_SITE,
                     keep_format(installation->memory, "%s/%s/python%u.%u/site-packages", prefix, libraries[i],
                                 interpreter->major, interpreter->minor));
    return r;
}

/* Distributions' own Pythons have packages of the machine's administrator in /usr/local as well. */
static int add_base(struct installation *installation)
{
    const struct interpreter *interpreter = &installation->interpreter;
    struct yaml_memory *memory = installation->memory;
    unsigned major = interpreter->major, minor = interpreter->minor;
    int r = 0;
    if (strcmp(interpreter->base, "/usr") == 0 && !interpreter->debian)
        r = add_prefix(installation, "/usr/local");
    if (!interpreter->debian)
        return r < 0 ? r : add_prefix(installation, interpreter->base);
    r = add_site(installation, FOLDER_SITE,
                 keep_format(memory, "/usr/local/lib/python%u.%u/dist-packages", major, minor));
    if (r >= 0)
        r = add_site(installation, FOLDER_SITE, "/usr/lib/python3/dist-packages");
    return r < 0 ? r
                 : add_site(installation, FOLDER_SITE,
                            keep_format(memory, "/usr/lib/python%u.%u/dist-packages", major, minor));
}

int site_folders_read(struct installation *installation, const char *home, char *const *envp)
{
    const struct interpreter *interpreter = &installation->interpreter;
    int r = add_pythonpath(installation, envp);
    if (r >= 0)
        r = add_user_site(installation, home, envp);
    if (r >= 0 && interpreter->virtual)
        r = add_prefix(installation, interpreter->prefix);
    if (r >= 0 && (!interpreter->virtual || interpreter->system_site))
        r = add_base(installation);
    return r;
}
