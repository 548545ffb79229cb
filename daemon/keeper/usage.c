/*
 * Looking through /proc within a budget of time.
 *
 * What is remembered of a process is by pid and start time: whether it was on a card, and in which look it was read
 * last. The table is sorted by pid, as /proc is read, and rebuilt at each look from what still runs.
 */
#include "daemon/keeper/usage.h"
#include "daemon/keeper/fdinfo.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMMAND_SIZE 32

struct process {
    pid_t pid;
    uid_t uid;
    uint64_t start;
    uint64_t looked; /* number of the look; 0: never */
    bool on_card;
};

struct table {
    struct process *items;
    size_t n, room;
};

struct usage {
    int proc;
    bool all_users;
    struct table known;
    uint64_t look; /* number of this one */
    Itexd__Child__Usage reply;
    Itexd__Child__Process *processes[USAGE_MAX_PROCESSES];
};

static bool has_ptrace(void)
{
    cap_t state = cap_get_proc();
    cap_flag_value_t set = CAP_CLEAR;

    if (state) {
        cap_get_flag(state, CAP_SYS_PTRACE, CAP_EFFECTIVE, &set);
        cap_free(state);
    }
    return set == CAP_SET;
}

int usage_open(const char *device_root, struct usage **out, char *error, size_t size)
{
    char path[4096];
    struct usage *usage = calloc(1, sizeof *usage);
    int result = usage ? 0 : -ENOMEM;

    if (result == 0 && snprintf(path, sizeof path, "%s/proc", device_root) >= (int)sizeof path)
        result = -ENAMETOOLONG;
    if (result == 0) {
        usage->proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        result = usage->proc < 0 ? -errno : 0;
    }
    if (result < 0) {
        free(usage);
        snprintf(error, size, "%s/proc cannot be read: %s", device_root, strerror(-result));
        return result;
    }
    usage->all_users = has_ptrace();
    *out = usage;
    return 0;
}

/* ---- The processes there are --------------------------------------------------------------------------------- */

static bool table_add(struct table *table, const struct process *process)
{
    if (table->n == table->room) {
        size_t room = table->room ? table->room * 2 : 1024;
        struct process *larger = realloc(table->items, room * sizeof *larger);
        if (!larger)
            return false;
        table->items = larger;
        table->room = room;
    }
    table->items[table->n++] = *process;
    return true;
}

static int by_pid(const void *one, const void *other)
{
    const struct process *a = one, *b = other;

    return (a->pid > b->pid) - (a->pid < b->pid);
}

static int open_process(const struct usage *usage, pid_t pid)
{
    char name[16];

    snprintf(name, sizeof name, "%d", (int)pid);
    return openat(usage->proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Start time, and the name where command is not NULL. */
static bool read_stat(int directory, uint64_t *start, char *command)
{
    char text[1024];
    CLEANUP(closep) const int fd = openat(directory, "stat", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    if (size <= 0)
        return false;
    text[size] = '\0';
    char *open = strchr(text, '('), *close = strrchr(text, ')'); /* the name may hold anything */
    if (!open || !close || close < open ||
        sscanf(close + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %" SCNu64,
               start) != 1)
        return false;
    *close = '\0';
    if (command)
        snprintf(command, COMMAND_SIZE, "%.31s", open + 1);
    return true;
}

/* Where it is the same process as before, what is known of it. */
static void recall(const struct table *known, struct process *process)
{
    const struct process *before =
        known->n ? bsearch(process, known->items, known->n, sizeof *known->items, by_pid) : NULL;

    if (before && before->start == process->start) {
        process->looked = before->looked;
        process->on_card = before->on_card;
    }
}

static void list_one(struct usage *usage, pid_t pid, struct table *now)
{
    struct process process = {.pid = pid};
    struct stat status;
    CLEANUP(closep) const int directory = open_process(usage, pid);

    if (directory < 0 || fstat(directory, &status) < 0)
        return;
    process.uid = status.st_uid;
    if (!usage->all_users && process.uid != geteuid())
        return;
    if (!read_stat(directory, &process.start, NULL))
        return;
    recall(&usage->known, &process);
    table_add(now, &process); /* without memory: not in this look */
}

static void list_processes(struct usage *usage)
{
    struct table now = {0};
    int fd = openat(usage->proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;

    if (!directory) {
        closep(&fd);
        return;
    }
    while ((entry = readdir(directory)))
        if (isdigit((unsigned char)entry->d_name[0]))
            list_one(usage, (pid_t)strtol(entry->d_name, NULL, 10), &now);
    closedir(directory);
    if (now.n)
        qsort(now.items, now.n, sizeof *now.items, by_pid);
    free(usage->known.items);
    usage->known = now;
}

/* ---- One look ------------------------------------------------------------------------------------------------ */

static void clear_reply(struct usage *usage)
{
    for (size_t i = 0; i < usage->reply.n_processes; i++) {
        free(usage->processes[i]->bdfs);
        free(usage->processes[i]->command);
        free(usage->processes[i]);
    }
    usage->reply = (Itexd__Child__Usage)ITEXD__CHILD__USAGE__INIT;
    usage->reply.has_all_users = true;
    usage->reply.all_users = usage->all_users;
    usage->reply.processes = usage->processes;
}

static void report(struct usage *usage, const struct process *process, const char *command,
                   const struct fdinfo_use *use, const char *const *bdfs, size_t n_bdfs)
{
    Itexd__Child__Process *out = usage->reply.n_processes < USAGE_MAX_PROCESSES ? malloc(sizeof *out) : NULL;

    if (!out)
        return;
    itexd__child__process__init(out);
    out->bdfs = calloc(n_bdfs, sizeof *out->bdfs);
    out->command = strdup(command);
    if (!out->bdfs || !out->command) {
        free(out->bdfs);
        free(out->command);
        free(out);
        return;
    }
    for (size_t i = 0; i < n_bdfs; i++)
        if (use->cards >> i & 1)
            out->bdfs[out->n_bdfs++] = (char *)bdfs[i];
    out->has_pid = out->has_start_time = out->has_uid = true;
    out->pid = process->pid;
    out->start_time = process->start;
    out->uid = process->uid;
    out->has_memory_bytes = use->memory_known;
    out->memory_bytes = use->memory_bytes;
    usage->processes[usage->reply.n_processes++] = out;
}

static void look_at(struct usage *usage, struct process *process, const char *const *bdfs, size_t n_bdfs)
{
    char command[COMMAND_SIZE];
    struct fdinfo_use use;
    uint64_t start;
    CLEANUP(closep) const int directory = open_process(usage, process->pid);

    process->looked = usage->look;
    process->on_card = directory >= 0 && fdinfo_read(directory, bdfs, n_bdfs, &use) && use.cards != 0;
    if (process->on_card && read_stat(directory, &start, command) && start == process->start)
        report(usage, process, command, &use, bdfs, n_bdfs);
}

static bool is_asked(const struct process *process, const uint32_t *uid)
{
    return !uid || process->uid == *uid;
}

/* What a look that ended early has not reached is first in the next: the ones looked at longest ago. */
static uint64_t oldest_look(const struct table *table, const uint32_t *uid)
{
    uint64_t oldest = UINT64_MAX;

    for (size_t i = 0; i < table->n; i++)
        if (is_asked(&table->items[i], uid) && table->items[i].looked < oldest)
            oldest = table->items[i].looked;
    return oldest;
}

Itexd__Child__Usage *usage_scan(struct usage *usage, const char *const *bdfs, size_t n_bdfs, const uint32_t *uid)
{
    const uint64_t until = clock_steady_ms() + USAGE_BUDGET_MS;
    struct table *table = &usage->known;

    clear_reply(usage);
    if (n_bdfs > USAGE_MAX_CARDS)
        n_bdfs = USAGE_MAX_CARDS;
    list_processes(usage);
    usage->look++;
    for (size_t i = 0; i < table->n; i++)
        if (table->items[i].on_card && is_asked(&table->items[i], uid))
            look_at(usage, &table->items[i], bdfs, n_bdfs);
    for (uint64_t turn; (turn = oldest_look(table, uid)) < usage->look;)
        for (size_t i = 0; i < table->n; i++) {
            if (table->items[i].looked != turn || !is_asked(&table->items[i], uid))
                continue;
            if (clock_steady_ms() >= until)
                return &usage->reply;
            look_at(usage, &table->items[i], bdfs, n_bdfs);
        }
    return &usage->reply;
}

void usage_close(struct usage *usage)
{
    if (!usage)
        return;
    clear_reply(usage);
    free(usage->known.items);
    close(usage->proc);
    free(usage);
}
