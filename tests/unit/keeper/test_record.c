/* Records of what access was: written whole, read with care. */
#include "daemon/keeper/record.h"
#include "tests/unit/worker/tree.h"

#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

#define ACL "user::rw-\nuser:1003:r--\ngroup::rw-\nmask::rw-\nother::---\n"

struct records {
    struct tree tree;
    int directory;
    struct record record;
};

static int set_up(void **state)
{
    static struct records records;
    struct stat status;

    records = (struct records){.directory = -1};
    tree_init(&records.tree);
    records.directory = open(records.tree.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(records.directory >= 0);
    assert_int_equal(stat("/dev/null", &status), 0);
    assert_int_equal(record_of(&status, &records.record), 0);
    records.record.acl = strdup(ACL);
    *state = &records;
    return 0;
}

static int tear_down(void **state)
{
    struct records *records = *state;

    record_clear(&records->record);
    close(records->directory);
    tree_free(&records->tree);
    return 0;
}

static size_t count_files(const struct records *records)
{
    char command[128];
    unsigned n = 0;

    snprintf(command, sizeof command, "ls -A '%s' | wc -l", records->tree.root);
    FILE *counted = popen(command, "r");
    assert_non_null(counted);
    assert_int_equal(fscanf(counted, "%u", &n), 1);
    pclose(counted);
    return n;
}

static void test_what_is_written_is_read(void **state)
{
    struct records *records = *state;
    struct record read = {.acl = NULL};

    assert_int_equal(strlen(records->record.boot), 36);
    assert_int_equal(record_write(records->directory, "card0", &records->record), 0);
    assert_int_equal(record_read(records->directory, "card0", &read), 1);
    assert_true(record_same_node(&read, &records->record));
    assert_string_equal(read.acl, ACL);
    record_clear(&read);
    free(records->record.acl);
    records->record.acl = strdup("other::---\n");
    assert_int_equal(record_write(records->directory, "card0", &records->record), 0);
    assert_int_equal(record_read(records->directory, "card0", &read), 1);
    assert_string_equal(read.acl, "other::---\n");
    record_clear(&read);
    assert_int_equal(count_files(records), 1);
    assert_int_equal(record_drop(records->directory, "card0"), 0);
    assert_int_equal(record_drop(records->directory, "card0"), 0);
    assert_int_equal(record_read(records->directory, "card0", &read), 0);
    assert_null(read.acl);
}

static void test_only_root_reads_it(void **state)
{
    struct records *records = *state;
    struct stat status;

    assert_int_equal(record_write(records->directory, "card0", &records->record), 0);
    assert_int_equal(fstatat(records->directory, "card0", &status, 0), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
}

static void test_whose_record_it_is(void **state)
{
    const struct records *records = *state;
    struct record other = records->record;

    assert_true(record_same_node(&records->record, &other));
    other.inode++;
    assert_false(record_same_node(&records->record, &other));
    other = records->record;
    other.device++;
    assert_false(record_same_node(&records->record, &other));
    other = records->record;
    other.filesystem++;
    assert_false(record_same_node(&records->record, &other));
    other = records->record;
    other.boot[0] = other.boot[0] == '0' ? '1' : '0';
    assert_false(record_same_node(&records->record, &other));
}

static void test_damaged_ones(void **state)
{
    static const char *const texts[] = {
        "",
        "itexd access 1\n",
        "itexd access 2\nboot b\ndevice 1:3\ninode 0:5 4\nuser::rw-\n",
        "itexd access 1\nboot b\ndevice 1:3\ninode 0:5 four\nuser::rw-\n",
        "itexd access 1\nboot b\ndevice 1\ninode 0:5 4\nuser::rw-\n",
        "user::rw-\ngroup::rw-\nother::rw-\n",
    };
    struct records *records = *state;
    struct record read;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        tree_write(&records->tree, texts[i], "card0");
        assert_int_equal(record_read(records->directory, "card0", &read), -EBADMSG);
        record_clear(&read);
    }
}

static void test_one_that_is_too_long(void **state)
{
    struct records *records = *state;
    struct record read;
    char text[RECORD_MAX + 1];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    free(records->record.acl);
    records->record.acl = strdup(text);
    assert_int_equal(record_write(records->directory, "card0", &records->record), -E2BIG);
    assert_int_equal(count_files(records), 0);
    tree_write(&records->tree, text, "card0");
    assert_int_equal(record_read(records->directory, "card0", &read), -EFBIG);
    record_clear(&read);
}

/* Whoever could put a link there is root already; it is not followed all the same. */
static void test_a_link_is_not_followed(void **state)
{
    struct records *records = *state;
    struct record read;

    tree_write(&records->tree, "kept", "elsewhere");
    tree_link(&records->tree, "elsewhere", "card0");
    tree_link(&records->tree, "elsewhere", ".card0.new");
    assert_int_equal(record_read(records->directory, "card0", &read), -ELOOP);
    record_clear(&read);
    assert_int_equal(record_write(records->directory, "card0", &records->record), -ELOOP);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_what_is_written_is_read), CASE(test_only_root_reads_it),
        CASE(test_whose_record_it_is),      CASE(test_damaged_ones),
        CASE(test_one_that_is_too_long),    CASE(test_a_link_is_not_followed),
    };

    return cmocka_run_group_tests_name("keeper record", tests, NULL, NULL);
}
