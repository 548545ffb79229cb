/*
 * What is installed, from the names in the folders; metadata are read only of what is asked for, so that thousands of
 * packages cost one look at each folder.
 */
#include "client/itexctl/doctor/installation.h"
#include "client/itexctl/doctor/texts.h"
#include "client/itexctl/itexctl.h"
#include "proto/cleanup.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#define MOST_DISTRIBUTIONS 100000
#define MOST_LEFTOVERS 16
#define MOST_METADATA (256u << 10)

/* ---- Names ---------------------------------------------------------------------------------------------------- */

/* Lower case, every run of dashes, dots and underlines one dash. */
static const char *normalise(struct yaml_memory *memory, const char *name, size_t length)
{
    char *copy = yaml_memory_copy(memory, name, length);
    size_t n = 0;
    if (!copy)
        return NULL;
    for (size_t i = 0; i < length; i++) {
        char c = copy[i];
        if (c != '-' && c != '_' && c != '.')
            copy[n++] = (char)tolower((unsigned char)c);
        else if (n == 0 || copy[n - 1] != '-')
            copy[n++] = '-';
    }
    copy[n] = '\0';
    return copy;
}

static bool ends_with(const char *name, size_t length, const char *end)
{
    size_t n = strlen(end);
    return length > n && strcmp(name + length - n, end) == 0;
}

/* ---- Folders ---------------------------------------------------------------------------------------------------- */

static int add_distribution(struct installation *installation, const struct site_folder *folder, const char *entry,
                            size_t stem, enum distribution_kind kind)
{
    struct yaml_memory *memory = installation->memory;
    if (installation->n_distributions >= MOST_DISTRIBUTIONS)
        return 0;
    size_t name = strcspn(entry, "-");
    if (name > stem)
        name = stem;
    size_t version = name < stem ? strcspn(entry + name + 1, "-") : 0; /* an egg's goes on with py3.11 */
    if (name + 1 + version > stem)
        version = stem > name ? stem - name - 1 : 0;
    struct distribution distribution = {.kind = kind, .folder = folder};
    distribution.name = normalise(memory, entry, name);
    distribution.version = version > 0 ? yaml_memory_copy(memory, entry + name + 1, version) : NULL;
    distribution.path = keep_format(memory, "%s/%s", folder->path, entry);
    struct distribution *grown = keep_room(memory, installation->distributions, installation->n_distributions,
                                           sizeof(*installation->distributions));
    if (!distribution.name || !distribution.path || (version > 0 && !distribution.version) || !grown)
        return -ENOMEM;
    installation->distributions = grown;
    grown[installation->n_distributions++] = distribution;
    return 0;
}

static int add_leftover(struct installation *installation, const struct site_folder *folder, const char *entry)
{
    if (installation->n_leftovers >= MOST_LEFTOVERS)
        return 0;
    const char **grown = keep_room(installation->memory, installation->leftovers, installation->n_leftovers,
                                   sizeof(*installation->leftovers));
    const char *path = keep_format(installation->memory, "%s/%s", folder->path, entry);
    if (!grown || !path)
        return -ENOMEM;
    installation->leftovers = grown;
    grown[installation->n_leftovers++] = path;
    return 0;
}

static int read_entry(struct installation *installation, const struct site_folder *folder, const char *entry)
{
    static const struct {
        const char *end;
        enum distribution_kind kind;
    } ends[] = {{".dist-info", DISTRIBUTION_WHEEL},
                {".egg-info", DISTRIBUTION_EGG},
                {".egg", DISTRIBUTION_EGG},
                {".egg-link", DISTRIBUTION_LINK}};
    size_t length = strlen(entry);
    if (entry[0] == '~')
        return add_leftover(installation, folder, entry);
    for (size_t i = 0; i < LENGTH(ends); i++)
        if (ends_with(entry, length, ends[i].end))
            return add_distribution(installation, folder, entry, length - strlen(ends[i].end), ends[i].kind);
    return 0;
}

/* A folder that is itself an egg, which a .pth file names. */
static int read_egg(struct installation *installation, const struct site_folder *folder)
{
    const char *slash = strrchr(folder->path, '/'), *name = slash ? slash + 1 : folder->path;
    size_t length = strlen(name);
    if (!ends_with(name, length, ".egg"))
        return 0;
    struct site_folder *above = yaml_memory_get(installation->memory, 1, sizeof(*above));
    if (!above)
        return -ENOMEM;
    *above = *folder;
    above->path = yaml_memory_copy(installation->memory, folder->path, slash ? (size_t)(slash - folder->path) : 0);
    return above->path ? add_distribution(installation, above, name, length - 4, DISTRIBUTION_EGG) : -ENOMEM;
}

static int read_folder(struct installation *installation, struct site_folder *folder)
{
    const struct dirent *entry;
    int r = folder->kind == FOLDER_PTH ? read_egg(installation, folder) : 0;
    DIR *entries = r < 0 ? NULL : opendir(folder->path);
    folder->readable = entries != NULL;
    while (r >= 0 && entries && (entry = readdir(entries)))
        r = read_entry(installation, folder, entry->d_name);
    if (entries)
        closedir(entries);
    return r;
}

int distributions_read(struct installation *installation)
{
    int r = 0;
    for (size_t i = 0; i < installation->n_folders && r >= 0; i++)
        r = read_folder(installation, &installation->folders[i]);
    return r;
}

int installation_read(struct installation *installation, const char *home, char *const *envp,
                      struct yaml_memory *memory)
{
    installation->memory = memory;
    int r = site_folders_read(installation, home, envp);
    return r < 0 ? r : distributions_read(installation);
}

/* ---- Metadata --------------------------------------------------------------------------------------------------- */

/* The value of a header in a copy of a file that is cut at the blank line; NULL. */
static const char *header(struct yaml_memory *memory, const char *text, const char *name)
{
    size_t length = strlen(name);
    for (; *text && *text != '\n' && *text != '\r'; text += strcspn(text, "\n"), text += *text == '\n') {
        if (strncasecmp(text, name, length) != 0 || text[length] != ':')
            continue;
        const char *value = text + length + 1;
        value += strspn(value, " \t");
        size_t n = strcspn(value, "\r\n");
        while (n > 0 && strchr(" \t", value[n - 1]))
            n--;
        return n > 0 ? yaml_memory_copy(memory, value, n) : NULL;
    }
    return NULL;
}

/* A file among the metadata. 0; -ENOMEM; else it cannot be read. */
static int read_part(const struct installation *installation, const struct distribution *distribution, const char *name,
                     char **text)
{
    const char *path = keep_format(installation->memory, "%s%s%s", distribution->path, name[0] ? "/" : "", name);
    return path ? file_text(path, MOST_METADATA, text) : -ENOMEM;
}

static int read_metadata(const struct installation *installation, const struct distribution *distribution, char **text)
{
    static const char *const names[] = {"METADATA", "PKG-INFO", "EGG-INFO/PKG-INFO", ""};
    int r = -ENOENT;
    for (size_t i = 0; i < LENGTH(names) && r < 0 && r != -ENOMEM; i++)
        r = read_part(installation, distribution, names[i], text);
    return r;
}

static int read_wheel(const struct installation *installation, struct distribution *distribution)
{
    CLEANUP(freep) char *wheel = NULL;
    CLEANUP(freep) char *url = NULL;
    const char *record = keep_format(installation->memory, "%s/RECORD", distribution->path);
    int r = record ? read_part(installation, distribution, "WHEEL", &wheel) : -ENOMEM;
    if (r >= 0)
        distribution->tag = header(installation->memory, wheel, "Tag");
    if (r != -ENOMEM)
        r = read_part(installation, distribution, "direct_url.json", &url);
    distribution->editable = r >= 0 && strstr(url, "\"editable\": true") != NULL;
    /* Packages of distributions have none on purpose and say so by their installer. */
    if (r != -ENOMEM && !path_is_file(record) && distribution->state == DISTRIBUTION_FINE) {
        CLEANUP(freep) char *installer = NULL;
        r = read_part(installation, distribution, "INSTALLER", &installer);
        if (r < 0 || strncmp(installer, "pip", 3) == 0)
            distribution->state = DISTRIBUTION_NO_RECORD;
    }
    return r == -ENOMEM ? r : 0;
}

static void read_distribution(const struct installation *installation, struct distribution *distribution)
{
    CLEANUP(freep) char *text = NULL;
    if (distribution->state != DISTRIBUTION_UNREAD)
        return;
    distribution->state = DISTRIBUTION_FINE;
    if (distribution->kind == DISTRIBUTION_LINK) {
        distribution->editable = true;
        return;
    }
    int r = read_metadata(installation, distribution, &text);
    const char *version = r < 0 ? NULL : header(installation->memory, text, "Version");
    if (version)
        distribution->version = version;
    else if (distribution->kind == DISTRIBUTION_WHEEL || !distribution->version)
        distribution->state = DISTRIBUTION_NO_METADATA;
    if (distribution->kind == DISTRIBUTION_WHEEL)
        read_wheel(installation, distribution);
}

struct distribution *distribution_find(struct installation *installation, const char *name,
                                       const struct distribution *behind)
{
    size_t at = behind ? (size_t)(behind - installation->distributions) + 1 : 0;
    for (; at < installation->n_distributions; at++) {
        struct distribution *distribution = &installation->distributions[at];
        if (strcmp(distribution->name, name) != 0)
            continue;
        read_distribution(installation, distribution);
        return distribution;
    }
    return NULL;
}

const struct site_folder *module_find(const struct installation *installation, const char *name)
{
    char path[4096];
    for (size_t i = 0; i < installation->n_folders; i++) {
        const struct site_folder *folder = &installation->folders[i];
        bool cut = snprintf(path, sizeof(path), "%s/%s", folder->path, name) >= (int)sizeof(path) - 4;
        if (!cut && path_is_folder(path))
            return folder;
        if (!cut && path_is_file(strcat(path, ".py")))
            return folder;
    }
    return NULL;
}
