/* Who uses which card, on a made-up /proc; and of the real one, what may be read. */
#include "daemon/keeper/fdinfo.h"
#include "daemon/keeper/usage.h"
#include "tests/unit/worker/tree.h"

#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/capability.h>
#include <sys/wait.h>

#include <cmocka.h>

#define FIRST "0000:3a:00.0"
#define SECOND "0000:4a:00.0"
#define NOBODY 65534

static char *cards[] = {(char *)FIRST, (char *)SECOND};

struct processes {
    struct tree tree;
    struct usage *usage;
};

static void put_stat(const struct processes *processes, int pid, const char *name, unsigned long long start)
{
    char text[256];

    snprintf(text, sizeof text, "%d (%s) S 1 1 1 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 %llu 1 1 1\n", pid, name, start);
    tree_write(&processes->tree, text, "proc/%d/stat", pid);
}

static void put_card(const struct processes *processes, int pid, const char *bdf, const char *memory)
{
    char text[256];

    snprintf(text, sizeof text, "pos:\t0\ndrm-pdev:\t%s\ndrm-client-id:\t%d\n%s", bdf, pid, memory);
    tree_write(&processes->tree, text, "proc/%d/fdinfo/%c", pid, strcmp(bdf, FIRST) == 0 ? '4' : '5');
}

static void put_process(const struct processes *processes, int pid, const char *name, const char *bdf)
{
    put_stat(processes, pid, name, 100 + (unsigned)pid);
    tree_write(&processes->tree, "pos:\t0\n", "proc/%d/fdinfo/0", pid);
    if (bdf)
        put_card(processes, pid, bdf, "");
}

static void set_owner(const struct processes *processes, int pid, uid_t uid)
{
    char path[160];

    snprintf(path, sizeof path, "%s/proc/%d", processes->tree.root, pid);
    assert_int_equal(chown(path, uid, uid), 0);
}

static void end_process(const struct processes *processes, int pid)
{
    char command[160];

    snprintf(command, sizeof command, "rm -r '%s/proc/%d'", processes->tree.root, pid);
    assert_int_equal(system(command), 0);
}

static int set_up(void **state)
{
    static struct processes processes;

    processes.usage = NULL;
    tree_init(&processes.tree);
    tree_write(&processes.tree, "1 1\n", "proc/uptime");
    tree_write(&processes.tree, "", "proc/self/stat");
    *state = &processes;
    return 0;
}

static int tear_down(void **state)
{
    struct processes *processes = *state;

    usage_close(processes->usage);
    tree_free(&processes->tree);
    return 0;
}

static void begin(struct processes *processes)
{
    char error[256];

    assert_int_equal(usage_open(processes->tree.root, &processes->usage, error, sizeof error), 0);
}

static const Itexd__Child__Usage *look(struct processes *processes)
{
    return usage_scan(processes->usage, (const char *const *)cards, 2, NULL);
}

/* ---- One look -------------------------------------------------------------------------------------------------- */

static void test_who_is_on_a_card(void **state)
{
    struct processes *processes = *state;
    const Itexd__Child__Usage *usage;

    put_process(processes, 30, "a) b (c", FIRST);
    put_card(processes, 30, SECOND, "drm-resident-vram0:\t3 MiB\n");
    put_process(processes, 20, "idle", NULL);
    put_process(processes, 10, "a name that is much longer than any name that Linux would give", SECOND);
    put_process(processes, 40, "elsewhere", "0000:00:02.0");
    tree_write(&processes->tree, "nonsense", "proc/50/stat");
    put_card(processes, 50, FIRST, "");
    begin(processes);
    usage = look(processes);
    assert_int_equal(usage->n_processes, 2);
    assert_int_equal(usage->processes[0]->pid, 10);
    assert_int_equal(strlen(usage->processes[0]->command), 31);
    assert_int_equal(usage->processes[0]->n_bdfs, 1);
    assert_string_equal(usage->processes[0]->bdfs[0], SECOND);
    assert_false(usage->processes[0]->has_memory_bytes);
    assert_int_equal(usage->processes[1]->pid, 30);
    assert_int_equal(usage->processes[1]->start_time, 130);
    assert_int_equal(usage->processes[1]->uid, geteuid());
    assert_string_equal(usage->processes[1]->command, "a) b (c");
    assert_int_equal(usage->processes[1]->n_bdfs, 2);
    assert_int_equal(usage->processes[1]->memory_bytes, 3 << 20);
}

static void test_nobody(void **state)
{
    struct processes *processes = *state;

    begin(processes);
    assert_int_equal(look(processes)->n_processes, 0);
    assert_int_equal(usage_scan(processes->usage, NULL, 0, NULL)->n_processes, 0);
}

static void test_no_proc(void **state)
{
    struct processes *processes = *state;
    char error[256], root[128];

    snprintf(root, sizeof root, "%s/nowhere", processes->tree.root);
    assert_int_equal(usage_open(root, &processes->usage, error, sizeof error), -ENOENT);
    assert_null(processes->usage);
    assert_non_null(strstr(error, root));
}

/* ---- Look by look ---------------------------------------------------------------------------------------------- */

static void test_they_come_and_go(void **state)
{
    struct processes *processes = *state;
    const Itexd__Child__Usage *usage;

    put_process(processes, 10, "late", NULL);
    put_process(processes, 20, "early", FIRST);
    begin(processes);
    assert_int_equal(look(processes)->n_processes, 1);
    put_card(processes, 10, FIRST, "");
    usage = look(processes);
    assert_int_equal(usage->n_processes, 2);
    assert_int_equal(usage->processes[0]->pid, 20); /* who is known to be on a card is looked at first */
    assert_int_equal(usage->processes[1]->pid, 10);
    end_process(processes, 20);
    usage = look(processes);
    assert_int_equal(usage->n_processes, 1);
    assert_int_equal(usage->processes[0]->pid, 10);
}

/* The same number, another process. */
static void test_a_pid_that_is_used_again(void **state)
{
    struct processes *processes = *state;
    const Itexd__Child__Usage *usage;

    put_process(processes, 10, "one", FIRST);
    begin(processes);
    assert_int_equal(look(processes)->processes[0]->start_time, 110);
    put_stat(processes, 10, "two", 5000);
    usage = look(processes);
    assert_int_equal(usage->n_processes, 1);
    assert_int_equal(usage->processes[0]->start_time, 5000);
    assert_string_equal(usage->processes[0]->command, "two");
}

/* ---- Whose processes ------------------------------------------------------------------------------------------- */

static void set_ptrace(cap_flag_value_t value)
{
    static const cap_value_t ptrace[] = {CAP_SYS_PTRACE};
    cap_t state = cap_get_proc();

    assert_non_null(state);
    assert_int_equal(cap_set_flag(state, CAP_EFFECTIVE, 1, ptrace, value), 0);
    assert_int_equal(cap_set_proc(state), 0);
    cap_free(state);
}

static void need_root(void)
{
    if (geteuid() != 0) {
        print_message("needs root\n");
        skip();
    }
}

static void test_only_own_ones_without_the_capability(void **state)
{
    struct processes *processes = *state;
    const Itexd__Child__Usage *usage;

    need_root();
    put_process(processes, 10, "anothers", FIRST);
    set_owner(processes, 10, NOBODY);
    put_process(processes, 20, "own", FIRST);
    set_ptrace(CAP_CLEAR);
    begin(processes);
    usage = look(processes);
    set_ptrace(CAP_SET);
    assert_true(usage->has_all_users);
    assert_false(usage->all_users);
    assert_int_equal(usage->n_processes, 1);
    assert_int_equal(usage->processes[0]->pid, 20);
    usage_close(processes->usage);
    begin(processes);
    usage = look(processes);
    assert_true(usage->all_users);
    assert_int_equal(usage->n_processes, 2);
    assert_int_equal(usage->processes[0]->uid, NOBODY);
}

static void test_of_one_user(void **state)
{
    const uint32_t nobody = NOBODY;
    struct processes *processes = *state;
    const Itexd__Child__Usage *usage;

    need_root();
    put_process(processes, 10, "own", FIRST);
    put_process(processes, 20, "anothers", FIRST);
    set_owner(processes, 20, NOBODY);
    put_process(processes, 30, "anothers", NULL);
    set_owner(processes, 30, NOBODY);
    begin(processes);
    assert_int_equal(look(processes)->n_processes, 2);
    put_card(processes, 30, SECOND, "");
    usage = usage_scan(processes->usage, (const char *const *)cards, 2, &nobody);
    assert_int_equal(usage->n_processes, 2);
    assert_int_equal(usage->processes[0]->pid, 20);
    assert_int_equal(usage->processes[1]->pid, 30);
    assert_int_equal(look(processes)->n_processes, 3);
}

/* Of the real /proc: root without capabilities may not look at others' descriptors, with CAP_SYS_PTRACE alone it may.
 */
static void test_the_capability_is_what_it_takes(void **state)
{
    static const cap_value_t ptrace[] = {CAP_SYS_PTRACE};
    const char *const none[] = {FIRST};
    struct fdinfo_use use;
    char path[32];
    pid_t other;

    (void)state;
    need_root();
    other = fork();
    assert_true(other >= 0);
    if (other == 0) {
        if (setresuid(NOBODY, NOBODY, NOBODY) == 0)
            pause();
        _exit(1);
    }
    snprintf(path, sizeof path, "/proc/%d", (int)other);
    pid_t looker = fork();
    assert_true(looker >= 0);
    if (looker == 0) {
        cap_t state_now = cap_init();
        int process = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (setresuid(NOBODY - 1, NOBODY - 1, 0) < 0)
            _exit(2);
        if (fdinfo_read(process, none, 1, &use))
            _exit(3);
        if (seteuid(0) < 0 || cap_set_flag(state_now, CAP_PERMITTED, 1, ptrace, CAP_SET) < 0 ||
            cap_set_flag(state_now, CAP_EFFECTIVE, 1, ptrace, CAP_SET) < 0 || cap_set_proc(state_now) < 0)
            _exit(4);
        _exit(fdinfo_read(process, none, 1, &use) ? 0 : 5);
    }
    int result;
    assert_int_equal(waitpid(looker, &result, 0), looker);
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
    assert_true(WIFEXITED(result));
    assert_int_equal(WEXITSTATUS(result), 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_who_is_on_a_card),
        CASE(test_nobody),
        CASE(test_no_proc),
        CASE(test_they_come_and_go),
        CASE(test_a_pid_that_is_used_again),
        CASE(test_only_own_ones_without_the_capability),
        CASE(test_of_one_user),
        CASE(test_the_capability_is_what_it_takes),
    };

    return cmocka_run_group_tests_name("keeper usage", tests, NULL, NULL);
}
