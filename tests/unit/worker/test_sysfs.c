/* What the kernel says of a card, on made-up trees; and the first layer that fails. */
#include "daemon/worker/layers.h"
#include "daemon/worker/sysfs.h"
#include "tests/unit/worker/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define BDF "0000:3a:00.0"
#define DEVICE TREE_PCI "/" BDF

static void test_card(void **state)
{
    struct tree tree;
    struct sysfs_card card;

    (void)state;
    tree_init(&tree);
    tree_gpu(&tree, BDF);
    tree_bind(&tree, BDF, "xe");
    tree_write(&tree, "", DEVICE "/drm/renderD131/dev");
    tree_write(&tree, "", DEVICE "/drm/card3/dev");
    tree_write(&tree, "", DEVICE "/drm/card3-DP-1/status");
    tree_write(&tree, "1\n", DEVICE "/numa_node");
    tree_write(&tree, "0-23,48-71\n", DEVICE "/local_cpulist");
    sysfs_card(tree.root, BDF, &card);
    assert_true(card.found);
    assert_string_equal(card.kernel_driver, "xe");
    assert_string_equal(card.render_node, "/dev/dri/renderD131");
    assert_string_equal(card.card_node, "/dev/dri/card3");
    assert_true(card.has_numa_node);
    assert_int_equal(card.numa_node, 1);
    assert_string_equal(card.cpus, "0-23,48-71");
    tree_free(&tree);
}

static void test_card_that_says_nothing(void **state)
{
    struct tree tree;
    struct sysfs_card card;

    (void)state;
    tree_init(&tree);
    tree_gpu(&tree, BDF);
    tree_write(&tree, "-1\n", DEVICE "/numa_node"); /* no such notion */
    tree_write(&tree, "\x01\xff junk\n", DEVICE "/local_cpulist");
    sysfs_card(tree.root, BDF, &card);
    assert_true(card.found);
    assert_string_equal(card.kernel_driver, "");
    assert_string_equal(card.render_node, "");
    assert_false(card.has_numa_node);
    assert_string_equal(card.cpus, "?? junk");
    sysfs_card(tree.root, "0000:4a:00.0", &card);
    assert_false(card.found);
    assert_false(sysfs_on_bus(tree.root, "0000:4a:00.0"));
    tree_free(&tree);
}

static void test_display_devices(void **state)
{
    struct tree tree;
    char bdfs[2][SYSFS_BDF_SIZE];

    (void)state;
    tree_init(&tree);
    assert_int_equal(sysfs_display_devices(tree.root, bdfs, 2), 0);
    tree_gpu(&tree, "0000:4a:00.0");
    tree_gpu(&tree, BDF);
    tree_write(&tree, "0x10de\n", TREE_PCI "/0000:01:00.0/vendor");
    tree_write(&tree, "0x030000\n", TREE_PCI "/0000:01:00.0/class");
    tree_write(&tree, "0x8086\n", TREE_PCI "/0000:02:00.0/vendor");
    tree_write(&tree, "0x020000\n", TREE_PCI "/0000:02:00.0/class");
    assert_int_equal(sysfs_display_devices(tree.root, bdfs, 2), 2);
    assert_string_equal(bdfs[0], BDF);
    assert_string_equal(bdfs[1], "0000:4a:00.0");
    tree_gpu(&tree, "0000:5a:00.0");
    assert_int_equal(sysfs_display_devices(tree.root, bdfs, 2), 3); /* told, though they do not fit */
    tree_free(&tree);
}

static void test_sensors_by_label(void **state)
{
    struct tree tree;
    struct sysfs_sensors sensors;

    (void)state;
    tree_init(&tree);
    tree_gpu(&tree, BDF);
    sysfs_sensors(tree.root, BDF, &sensors);
    assert_false(sensors.has_temperature || sensors.has_memory_temperature || sensors.has_energy);
    tree_write(&tree, "61000\n", DEVICE "/hwmon/hwmon4/temp2_input");
    tree_write(&tree, "pkg\n", DEVICE "/hwmon/hwmon4/temp2_label");
    tree_write(&tree, "72500\n", DEVICE "/hwmon/hwmon4/temp3_input");
    tree_write(&tree, "vram\n", DEVICE "/hwmon/hwmon4/temp3_label");
    tree_write(&tree, "9000000\n", DEVICE "/hwmon/hwmon4/energy1_input");
    tree_write(&tree, "5000000\n", DEVICE "/hwmon/hwmon4/energy2_input");
    tree_write(&tree, "nonsense\n", DEVICE "/hwmon/hwmon4/temp9_input");
    sysfs_sensors(tree.root, BDF, &sensors);
    assert_true(sensors.has_temperature && sensors.has_memory_temperature && sensors.has_energy);
    assert_float_equal(sensors.temperature, 61, 1e-6);
    assert_float_equal(sensors.memory_temperature, 72.5, 1e-6);
    assert_float_equal(sensors.energy, 9, 1e-6);
    tree_free(&tree);
}

/* ---- Layers ---------------------------------------------------------------------------------------------------- */

static void expect_layer(const struct tree *tree, const struct layers_above *above, const char *name, const char *part)
{
    struct layer layer = {0};

    layers_find(tree->root, above, &layer);
    assert_string_equal(layer.name, name);
    if (!strstr(layer.detail, part))
        fail_msg("\"%s\" does not name %s", layer.detail, part);
}

/* Each is the first to fail once the one before it is there. */
static void test_layers_in_their_order(void **state)
{
    static const struct layers_above no_loader = {.loader_error = "libze_loader.so.1: cannot open"};
    static const struct layers_above no_device = {.driver_error = "zeInit answers 0x78000001"};
    struct tree tree;

    (void)state;
    tree_init(&tree);
    expect_layer(&tree, &no_loader, "pci", TREE_PCI);
    tree_gpu(&tree, BDF);
    expect_layer(&tree, &no_loader, "kernel-driver", BDF);
    tree_bind(&tree, BDF, "i915");
    expect_layer(&tree, &no_loader, "render-node", "has made no render node");
    tree_write(&tree, "", DEVICE "/drm/renderD128/dev");
    expect_layer(&tree, &no_loader, "render-node", "/dev/dri/renderD128");
    tree_link(&tree, "/proc/self/no-such", "dev/dri/renderD128"); /* dangling: as good as not there */
    expect_layer(&tree, &no_loader, "render-node", "/dev/dri/renderD128");
    tree_gpu(&tree, "0000:4a:00.0");
    tree_bind(&tree, "0000:4a:00.0", "i915");
    tree_write(&tree, "", TREE_PCI "/0000:4a:00.0/drm/renderD129/dev");
    tree_write(&tree, "", "dev/dri/renderD129/directory"); /* may not be opened for writing, whoever asks */
    expect_layer(&tree, &no_loader, "permission", "/dev/dri/renderD129");
    tree_gpu(&tree, "0000:5a:00.0");
    tree_bind(&tree, "0000:5a:00.0", "i915");
    tree_write(&tree, "", TREE_PCI "/0000:5a:00.0/drm/renderD130/dev");
    tree_write(&tree, "", "dev/dri/renderD130"); /* one card is enough */
    expect_layer(&tree, &no_loader, "loader", "libze_loader.so.1");
    assert_int_equal(setenv("ZE_ENABLE_ALT_DRIVERS", "/no/such/driver.so", 1), 0);
    expect_layer(&tree, &no_device, "driver-library", "/no/such/driver.so");
    assert_int_equal(setenv("ZE_ENABLE_ALT_DRIVERS", "libc.so.6", 1), 0);
    expect_layer(&tree, &no_device, "driver", "0x78000001");
    tree_free(&tree);
}

static void test_other_kernel_driver(void **state)
{
    static const struct layers_above above = {0};
    struct tree tree;

    (void)state;
    tree_init(&tree);
    tree_gpu(&tree, BDF);
    tree_bind(&tree, BDF, "vfio-pci");
    expect_layer(&tree, &above, "kernel-driver", "vfio-pci");
    tree_free(&tree);
}

/* A driver that simulates has no card on the bus. */
static void test_no_kernel(void **state)
{
    static const struct layers_above above = {.no_kernel = true, .driver_error = "zeInit answers 0x78000001"};
    struct tree tree;

    (void)state;
    tree_init(&tree);
    assert_int_equal(setenv("ZE_ENABLE_ALT_DRIVERS", "libc.so.6", 1), 0);
    expect_layer(&tree, &above, "driver", "0x78000001");
    tree_free(&tree);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_card),
        cmocka_unit_test(test_card_that_says_nothing),
        cmocka_unit_test(test_display_devices),
        cmocka_unit_test(test_sensors_by_label),
        cmocka_unit_test(test_layers_in_their_order),
        cmocka_unit_test(test_other_kernel_driver),
        cmocka_unit_test(test_no_kernel),
    };

    return cmocka_run_group_tests_name("worker sysfs", tests, NULL, NULL);
}
