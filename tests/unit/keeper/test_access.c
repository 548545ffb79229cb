/*
 * Access to nodes, on real character devices in a directory of their own. Needs root, to make them, and a file system
 * with ACLs.
 */
#include "daemon/keeper/access.h"
#include "tests/unit/worker/tree.h"

#include <acl/libacl.h>
#include <setjmp.h>
#include <stddef.h>
#include <sys/acl.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <cmocka.h>

#define NODE "/dev/dri/renderD128"
#define OTHER_NODE "/dev/dri/card0"
#define PLAIN "user::rw-\ngroup::rw-\nother::---\n"
#define NOBODY 65534
#define ALICE 1001u
#define BOB 1002u

struct node_tree {
    struct tree tree;
    char run[96];
    struct access *access;
    char error[256];
};

static void node_path(const struct node_tree *nodes, const char *node, char path[256])
{
    tree_path(&nodes->tree, node + 1, path, 256);
}

/* A null device, so that opening it is harmless. */
static void make_node(const struct node_tree *nodes, const char *node, mode_t mode)
{
    char path[256];

    node_path(nodes, node, path);
    assert_int_equal(mknod(path, S_IFCHR | 0600, makedev(1, 3)), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static char *acl_of(const struct node_tree *nodes, const char *node, char text[512])
{
    char path[256];
    acl_t acl;
    char *words;

    node_path(nodes, node, path);
    acl = acl_get_file(path, ACL_TYPE_ACCESS);
    assert_non_null(acl);
    words = acl_to_any_text(acl, NULL, '\n', TEXT_NUMERIC_IDS);
    assert_non_null(words);
    snprintf(text, 512, "%s\n", words);
    acl_free(words);
    acl_free(acl);
    return text;
}

static void set_acl(const struct node_tree *nodes, const char *node, const char *text)
{
    char path[256];
    acl_t acl = acl_from_text(text);

    node_path(nodes, node, path);
    assert_non_null(acl);
    assert_int_equal(acl_set_file(path, ACL_TYPE_ACCESS, acl), 0);
    acl_free(acl);
}

static void assert_acl(const struct node_tree *nodes, const char *node, const char *expected)
{
    char text[512];

    assert_string_equal(acl_of(nodes, node, text), expected);
}

static mode_t mode_of(const struct node_tree *nodes, const char *node)
{
    char path[256];
    struct stat status;

    node_path(nodes, node, path);
    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 07777;
}

static bool is_recorded(const struct node_tree *nodes, const char *node)
{
    char path[160];

    snprintf(path, sizeof path, "%s/access/%s", nodes->run, strrchr(node, '/') + 1);
    return access(path, F_OK) == 0;
}

static void reopen(struct node_tree *nodes)
{
    access_close(nodes->access);
    nodes->access = NULL;
    assert_int_equal(access_open(nodes->run, nodes->tree.root, &nodes->access, nodes->error, sizeof nodes->error), 0);
}

static int restrict_to(struct node_tree *nodes, const char *node, size_t n, const uint32_t *uids)
{
    nodes->error[0] = '\0';
    return access_restrict(nodes->access, node, uids, n, nodes->error, sizeof nodes->error);
}

static int restore(struct node_tree *nodes, const char *node)
{
    nodes->error[0] = '\0';
    return access_restore(nodes->access, node, nodes->error, sizeof nodes->error);
}

static int restore_all(struct node_tree *nodes, const char *const *except, size_t n)
{
    nodes->error[0] = '\0';
    return access_restore_all(nodes->access, except, n, nodes->error, sizeof nodes->error);
}

static bool has_acls(const struct tree *tree)
{
    acl_t acl = acl_get_file(tree->root, ACL_TYPE_ACCESS);

    if (acl)
        acl_free(acl);
    return acl != NULL;
}

/* A tree with one node of mode 0660. */
static int set_up(void **state)
{
    static struct node_tree nodes;

    nodes = (struct node_tree){.access = NULL};
    *state = &nodes;
    tree_init(&nodes.tree);
    if (geteuid() != 0 || !has_acls(&nodes.tree))
        return 0;
    snprintf(nodes.run, sizeof nodes.run, "%s/run", nodes.tree.root);
    make_node(&nodes, NODE, 0660);
    reopen(&nodes);
    return 0;
}

static int tear_down(void **state)
{
    struct node_tree *nodes = *state;

    access_close(nodes->access);
    tree_free(&nodes->tree);
    return 0;
}

static struct node_tree *need(void **state)
{
    struct node_tree *nodes = *state;

    if (!nodes->access) {
        print_message("needs root, and ACLs in /tmp\n");
        skip();
    }
    return nodes;
}

/* ---- What is restricted ---------------------------------------------------------------------------------------- */

static void test_restricted_and_put_back(void **state)
{
    struct node_tree *nodes = need(state);
    char path[256];

    assert_int_equal(restrict_to(nodes, NODE, 1, (const uint32_t[]){ALICE}), 0);
    assert_acl(nodes, NODE, "user::rw-\nuser:1001:rw-\ngroup::---\nmask::rw-\nother::---\n");
    assert_int_equal(mode_of(nodes, NODE), 0660);
    assert_true(is_recorded(nodes, NODE));
    assert_int_equal(restore(nodes, NODE), 0);
    assert_acl(nodes, NODE, PLAIN);
    assert_int_equal(mode_of(nodes, NODE), 0660);
    assert_false(is_recorded(nodes, NODE));
    node_path(nodes, NODE, path);
    assert_int_equal(getxattr(path, "system.posix_acl_access", NULL, 0), -1); /* not one that means the same */
    assert_int_equal(errno, ENODATA);
}

static void test_entries_that_were_there_come_back(void **state)
{
    static const char original[] = "user::r--\nuser:1002:rw-\nuser:1003:r--\ngroup::rw-\ngroup:55:rw-\n"
                                   "mask::rw-\nother::r--\n";
    struct node_tree *nodes = need(state);
    const mode_t before = (set_acl(nodes, NODE, original), mode_of(nodes, NODE));

    assert_int_equal(restrict_to(nodes, NODE, 1, (const uint32_t[]){ALICE}), 0);
    assert_acl(nodes, NODE, "user::r--\nuser:1001:rw-\ngroup::---\nmask::rw-\nother::---\n");
    assert_int_equal(restore(nodes, NODE), 0);
    assert_acl(nodes, NODE, original);
    assert_int_equal(mode_of(nodes, NODE), before);
}

/* Some distributions let everybody open render nodes. */
static void test_a_node_that_was_open_to_all(void **state)
{
    struct node_tree *nodes = need(state);

    make_node(nodes, OTHER_NODE, 0666);
    assert_int_equal(restrict_to(nodes, OTHER_NODE, 1, (const uint32_t[]){ALICE}), 0);
    assert_int_equal(mode_of(nodes, OTHER_NODE), 0660);
    assert_int_equal(restore(nodes, OTHER_NODE), 0);
    assert_int_equal(mode_of(nodes, OTHER_NODE), 0666);
}

static void test_users_come_and_go(void **state)
{
    struct node_tree *nodes = need(state);

    assert_int_equal(restrict_to(nodes, NODE, 3, (const uint32_t[]){BOB, ALICE, BOB}), 0);
    assert_acl(nodes, NODE, "user::rw-\nuser:1001:rw-\nuser:1002:rw-\ngroup::---\nmask::rw-\nother::---\n");
    assert_int_equal(restrict_to(nodes, NODE, 1, (const uint32_t[]){BOB}), 0);
    assert_acl(nodes, NODE, "user::rw-\nuser:1002:rw-\ngroup::---\nmask::rw-\nother::---\n");
    assert_int_equal(restore(nodes, NODE), 0);
    assert_acl(nodes, NODE, PLAIN);
}

/* The device worker is of the keeper's own user and has to open the card too, which root's own node lets it anyway. */
static void test_the_services_own_user_is_not_shut_out(void **state)
{
    struct node_tree *nodes = need(state);
    char path[256];

    node_path(nodes, NODE, path);
    assert_int_equal(chown(path, 4711, 4711), 0);
    assert_int_equal(restrict_to(nodes, NODE, 1, (const uint32_t[]){ALICE}), 0);
    assert_acl(nodes, NODE, "user::rw-\nuser:0:rw-\nuser:1001:rw-\ngroup::---\nmask::rw-\nother::---\n");
    assert_int_equal(restrict_to(nodes, NODE, 1, (const uint32_t[]){0}), 0);
    assert_acl(nodes, NODE, "user::rw-\nuser:0:rw-\ngroup::---\nmask::rw-\nother::---\n");
}

static void test_others_cannot_open_it(void **state)
{
    struct node_tree *nodes = need(state);
    char path[256];
    int status;

    node_path(nodes, NODE, path);
    assert_int_equal(chmod(nodes->tree.root, 0755), 0);
    assert_int_equal(restrict_to(nodes, NODE, 1, (const uint32_t[]){ALICE}), 0);
    for (int i = 0; i < 2; i++) {
        const uid_t uid = i ? BOB : ALICE;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) { /* in the group of the node, as its user was before */
            if (setresgid(0, 0, 0) < 0 || setresuid(uid, uid, uid) < 0)
                _exit(99);
            _exit(open(path, O_RDWR | O_CLOEXEC) >= 0 ? 0 : errno);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), i ? EACCES : 0);
    }
}

/* ---- Kept over a kill ------------------------------------------------------------------------------------------ */

/* The record is of what was before the first restriction, whoever finds it. */
static void test_a_later_keeper_puts_back_the_original(void **state)
{
    static const char original[] = "user::rw-\nuser:1003:r--\ngroup::rw-\nmask::rw-\nother::---\n";
    struct node_tree *nodes = need(state);

    set_acl(nodes, NODE, original);
    assert_int_equal(restrict_to(nodes, NODE, 1, (const uint32_t[]){ALICE}), 0);
    reopen(nodes);
    assert_int_equal(restrict_to(nodes, NODE, 1, (const uint32_t[]){BOB}), 0);
    reopen(nodes);
    assert_int_equal(restore(nodes, NODE), 0);
    assert_acl(nodes, NODE, original);
}

static void test_all_but_what_is_kept(void **state)
{
    struct node_tree *nodes = need(state);

    make_node(nodes, OTHER_NODE, 0660);
    assert_int_equal(restrict_to(nodes, NODE, 1, (const uint32_t[]){ALICE}), 0);
    assert_int_equal(restrict_to(nodes, OTHER_NODE, 1, (const uint32_t[]){ALICE}), 0);
    reopen(nodes);
    assert_int_equal(restore_all(nodes, (const char *const[]){OTHER_NODE}, 1), 0);
    assert_acl(nodes, NODE, PLAIN);
    assert_acl(nodes, OTHER_NODE, "user::rw-\nuser:1001:rw-\ngroup::---\nmask::rw-\nother::---\n");
    assert_int_equal(restore_all(nodes, NULL, 0), 0);
    assert_acl(nodes, OTHER_NODE, PLAIN);
    assert_int_equal(restore_all(nodes, NULL, 0), 0);
}

/* Another inode under the same name, with an access of its own. */
static void replace_node(const struct node_tree *nodes, mode_t mode)
{
    char path[256], beside[256];

    make_node(nodes, "/dev/dri/beside", mode);
    node_path(nodes, "/dev/dri/beside", beside);
    node_path(nodes, NODE, path);
    assert_int_equal(rename(beside, path), 0);
}

static void test_a_node_that_was_made_anew(void **state)
{
    struct node_tree *nodes = need(state);

    assert_int_equal(restrict_to(nodes, NODE, 1, (const uint32_t[]){ALICE}), 0);
    replace_node(nodes, 0600);
    assert_int_equal(restrict_to(nodes, NODE, 1, (const uint32_t[]){ALICE}), 0);
    assert_acl(nodes, NODE, "user::rw-\nuser:1001:rw-\ngroup::---\nmask::rw-\nother::---\n");
    assert_int_equal(restore(nodes, NODE), 0);
    assert_acl(nodes, NODE, "user::rw-\ngroup::---\nother::---\n");
    assert_int_equal(restrict_to(nodes, NODE, 1, (const uint32_t[]){ALICE}), 0);
    replace_node(nodes, 0640);
    assert_int_equal(restore(nodes, NODE), 0); /* what is recorded is not its own */
    assert_acl(nodes, NODE, "user::rw-\ngroup::r--\nother::---\n");
    assert_false(is_recorded(nodes, NODE));
}

static void test_a_node_that_has_gone(void **state)
{
    struct node_tree *nodes = need(state);
    char path[256];

    assert_int_equal(restrict_to(nodes, NODE, 1, (const uint32_t[]){ALICE}), 0);
    node_path(nodes, NODE, path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(restrict_to(nodes, NODE, 1, (const uint32_t[]){ALICE}), -ENOENT);
    assert_non_null(strstr(nodes->error, NODE));
    assert_false(is_recorded(nodes, NODE));
    assert_int_equal(restore(nodes, NODE), 0);
}

/* Puts text in the place of what the record has. */
static void spoil_record(const struct node_tree *nodes, const char *node, const char *text)
{
    tree_write(&nodes->tree, text, "run/access/%s", strrchr(node, '/') + 1);
}

static void test_a_record_of_another_boot(void **state)
{
    struct node_tree *nodes = need(state);

    assert_int_equal(restrict_to(nodes, NODE, 1, (const uint32_t[]){ALICE}), 0);
    spoil_record(nodes, NODE,
                 "itexd access 1\nboot 00000000-0000-0000-0000-000000000000\ndevice 1:3\ninode 0:0 1\n"
                 "user::rwx\ngroup::rwx\nother::rwx\n");
    assert_int_equal(restore(nodes, NODE), 0);
    assert_false(is_recorded(nodes, NODE));
    assert_int_equal(mode_of(nodes, NODE), 0660);
}

/* Nothing is made up: it is named, and the others are put back. */
static void test_a_damaged_record(void **state)
{
    struct node_tree *nodes = need(state);

    make_node(nodes, OTHER_NODE, 0660);
    assert_int_equal(restrict_to(nodes, NODE, 1, (const uint32_t[]){ALICE}), 0);
    assert_int_equal(restrict_to(nodes, OTHER_NODE, 1, (const uint32_t[]){ALICE}), 0);
    spoil_record(nodes, NODE, "itexd access 1\nboot half");
    assert_int_equal(restrict_to(nodes, NODE, 1, (const uint32_t[]){BOB}), -EBADMSG);
    assert_non_null(strstr(nodes->error, "record"));
    assert_int_equal(restore(nodes, NODE), -EBADMSG);
    assert_int_equal(restore_all(nodes, NULL, 0), -EBADMSG);
    assert_non_null(strstr(nodes->error, NODE));
    assert_acl(nodes, NODE, "user::rw-\nuser:1001:rw-\ngroup::---\nmask::rw-\nother::---\n");
    assert_acl(nodes, OTHER_NODE, PLAIN);
}

/* ---- What is refused ------------------------------------------------------------------------------------------- */

static void test_nothing_else_is_touched(void **state)
{
    static const char *const no_nodes[] = {"/dev/dri/",     "/dev/dri/../null", "/dev/null", "renderD128",
                                           "/dev/dri/by/a", "/dev/dri/.lock",   ""};
    struct node_tree *nodes = need(state);

    for (size_t i = 0; i < sizeof no_nodes / sizeof no_nodes[0]; i++) {
        assert_int_equal(restrict_to(nodes, no_nodes[i], 1, (const uint32_t[]){ALICE}), -EINVAL);
        assert_int_equal(restore(nodes, no_nodes[i]), -EINVAL);
    }
    tree_write(&nodes->tree, "", "dev/dri/file");
    tree_link(&nodes->tree, "renderD128", "dev/dri/link");
    tree_write(&nodes->tree, "", "dev/dri/directory/file");
    assert_int_equal(restrict_to(nodes, "/dev/dri/file", 1, (const uint32_t[]){ALICE}), -ENOTTY);
    assert_int_equal(restrict_to(nodes, "/dev/dri/link", 1, (const uint32_t[]){ALICE}), -ENOTTY);
    assert_int_equal(restrict_to(nodes, "/dev/dri/directory", 1, (const uint32_t[]){ALICE}), -ENOTTY);
    assert_non_null(strstr(nodes->error, "no character device"));
    assert_acl(nodes, NODE, PLAIN);
    assert_false(is_recorded(nodes, NODE));
}

static void test_one_keeper_at_a_time(void **state)
{
    struct node_tree *nodes = need(state);
    struct access *second = NULL;

    assert_int_equal(access_open(nodes->run, nodes->tree.root, &second, nodes->error, sizeof nodes->error), -EBUSY);
    assert_null(second);
    assert_non_null(strstr(nodes->error, nodes->run));
}

static void test_a_place_that_cannot_be_used(void **state)
{
    struct node_tree *nodes = need(state);
    struct access *none = NULL;
    char path[160];

    tree_write(&nodes->tree, "", "file");
    snprintf(path, sizeof path, "%s/file", nodes->tree.root);
    assert_int_equal(access_open(path, "", &none, nodes->error, sizeof nodes->error), -ENOTDIR);
    assert_null(none);
    assert_non_null(strstr(nodes->error, path));
}

/* In a process that has neither the node nor the capability. 0: as it has to be. */
static int try_as_nobody(const struct node_tree *nodes)
{
    struct access *access = NULL;
    char error[256] = "", run[96];

    snprintf(run, sizeof run, "%s/nobodys", nodes->tree.root);
    if (mkdir(run, 0700) < 0 || chown(run, NOBODY, NOBODY) < 0 || chmod(nodes->tree.root, 0755) < 0)
        return 1;
    if (setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
        return 2;
    if (access_open(run, nodes->tree.root, &access, error, sizeof error) != 0)
        return 3;
    if (access_restrict(access, NODE, (const uint32_t[]){NOBODY}, 1, error, sizeof error) != -EPERM)
        return 4;
    if (!strstr(error, NODE) || !strstr(error, "CAP_FOWNER"))
        return 5;
    strcat(run, "/access/renderD128");
    return access_restore(access, NODE, error, sizeof error) == 0 && open(run, O_RDONLY) < 0 ? 0 : 6;
}

static void test_without_the_capability(void **state)
{
    struct node_tree *nodes = need(state);
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(try_as_nobody(nodes));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_acl(nodes, NODE, PLAIN);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_restricted_and_put_back),
        CASE(test_entries_that_were_there_come_back),
        CASE(test_a_node_that_was_open_to_all),
        CASE(test_users_come_and_go),
        CASE(test_the_services_own_user_is_not_shut_out),
        CASE(test_others_cannot_open_it),
        CASE(test_a_later_keeper_puts_back_the_original),
        CASE(test_all_but_what_is_kept),
        CASE(test_a_node_that_was_made_anew),
        CASE(test_a_node_that_has_gone),
        CASE(test_a_record_of_another_boot),
        CASE(test_a_damaged_record),
        CASE(test_nothing_else_is_touched),
        CASE(test_one_keeper_at_a_time),
        CASE(test_a_place_that_cannot_be_used),
        CASE(test_without_the_capability),
    };

    return cmocka_run_group_tests_name("keeper access", tests, NULL, NULL);
}
