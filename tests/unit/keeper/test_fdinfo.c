/* What descriptors say, on made-up processes. */
#include "daemon/keeper/fdinfo.h"
#include "tests/unit/worker/tree.h"

#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

#define FIRST "0000:3a:00.0"
#define SECOND "0000:4a:00.0"
#define MIB (UINT64_C(1) << 20)

static const char *const cards[] = {FIRST, SECOND};

static int set_up(void **state)
{
    static struct tree tree;

    tree_init(&tree);
    *state = &tree;
    return 0;
}

static int tear_down(void **state)
{
    tree_free(*state);
    return 0;
}

static struct fdinfo_use read_use(const struct tree *tree)
{
    struct fdinfo_use use;
    int process = open(tree->root, O_PATH | O_DIRECTORY | O_CLOEXEC);

    assert_true(process >= 0);
    assert_true(fdinfo_read(process, cards, 2, &use));
    close(process);
    return use;
}

static void test_no_card(void **state)
{
    const struct tree *tree = *state;
    struct fdinfo_use use;
    int process = open(tree->root, O_PATH | O_DIRECTORY | O_CLOEXEC);

    assert_false(fdinfo_read(process, cards, 2, &use)); /* has ended, or is not to be looked at */
    close(process);
    tree_write(tree, "pos:\t0\nflags:\t02\nmnt_id:\t15\n", "fdinfo/0");
    tree_write(tree, "", "fdinfo/1");
    tree_write(tree, "drm-driver:\ti915\ndrm-client-id:\t7\n", "fdinfo/2"); /* an old kernel says no address */
    tree_write(tree, "drm-pdev:\t0000:00:02.0\ndrm-client-id:\t7\n", "fdinfo/3");
    tree_write(tree, "drm-pdev:\t" FIRST "\n", "fdinfo/no-descriptor");
    use = read_use(tree);
    assert_int_equal(use.cards, 0);
    assert_false(use.memory_known);
}

static void test_two_cards(void **state)
{
    const struct tree *tree = *state;
    struct fdinfo_use use;

    tree_write(tree,
               "pos:\t0\ndrm-driver:\ti915\ndrm-client-id:\t12\ndrm-pdev:\t" FIRST
               "\ndrm-total-system0:\t9 MiB\ndrm-resident-system0:\t9 MiB\n"
               "drm-total-local0:\t64 MiB\ndrm-resident-local0:\t32 MiB\n"
               "drm-total-local1:\t64 MiB\ndrm-resident-local1:\t1024 KiB\n",
               "fdinfo/4");
    tree_write(tree, "drm-driver:\txe\ndrm-client-id:\t3\ndrm-pdev:   0000:4A:00.0\ndrm-total-vram0:\t2 GiB\n",
               "fdinfo/5");
    use = read_use(tree);
    assert_int_equal(use.cards, 3);
    assert_true(use.memory_known);
    assert_int_equal(use.memory_bytes, 33 * MIB + 2048 * MIB);
}

/* Memory is the client's, however many descriptors it has. */
static void test_a_client_counts_once(void **state)
{
    static const char client[] = "drm-client-id:\t12\ndrm-pdev:\t" FIRST "\ndrm-resident-local0:\t5 MiB\n";
    const struct tree *tree = *state;

    tree_write(tree, client, "fdinfo/4");
    tree_write(tree, client, "fdinfo/5");
    assert_int_equal(read_use(tree).memory_bytes, 5 * MIB);
    tree_write(tree, "drm-client-id:\t13\ndrm-pdev:\t" FIRST "\ndrm-resident-local0:\t5 MiB\n", "fdinfo/6");
    tree_write(tree, "drm-client-id:\t12\ndrm-pdev:\t" SECOND "\ndrm-resident-local0:\t5 MiB\n", "fdinfo/7");
    assert_int_equal(read_use(tree).memory_bytes, 15 * MIB);
}

static void test_memory_that_is_not_told(void **state)
{
    const struct tree *tree = *state;
    struct fdinfo_use use;

    tree_write(tree, "drm-client-id:\t12\ndrm-pdev:\t" FIRST "\ndrm-engine-render:\t12 ns\n", "fdinfo/4");
    use = read_use(tree);
    assert_int_equal(use.cards, 1);
    assert_false(use.memory_known);
    tree_write(tree, "drm-client-id:\t13\ndrm-pdev:\t" FIRST "\ndrm-resident-local0:\t0\n", "fdinfo/5");
    use = read_use(tree);
    assert_true(use.memory_known);
    assert_int_equal(use.memory_bytes, 0);
}

static void test_numbers_that_are_none(void **state)
{
    const struct tree *tree = *state;

    tree_write(tree,
               "drm-client-id:\tx\ndrm-pdev:\t" FIRST "\ndrm-resident-local0:\t99999999999999999999 GiB\n"
               "drm-resident-local1:\t18446744073709551615\ndrm-resident-vram\ndrm-resident-vram0:\n:\n",
               "fdinfo/4");
    assert_int_equal(read_use(tree).memory_bytes, UINT64_MAX);
}

static void test_more_clients_than_are_counted(void **state)
{
    const struct tree *tree = *state;
    struct fdinfo_use use;
    char text[160];

    for (int i = 0; i < FDINFO_MAX_CLIENTS + 10; i++) {
        snprintf(text, sizeof text, "drm-client-id:\t%d\ndrm-pdev:\t" FIRST "\ndrm-resident-local0:\t1 MiB\n", i);
        tree_write(tree, text, "fdinfo/%d", i);
    }
    use = read_use(tree);
    assert_int_equal(use.cards, 1);
    assert_int_equal(use.memory_bytes, FDINFO_MAX_CLIENTS * MIB);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_no_card),
        CASE(test_two_cards),
        CASE(test_a_client_counts_once),
        CASE(test_memory_that_is_not_told),
        CASE(test_numbers_that_are_none),
        CASE(test_more_clients_than_are_counted),
    };

    return cmocka_run_group_tests_name("keeper fdinfo", tests, NULL, NULL);
}
