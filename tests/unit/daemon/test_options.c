/* Defaults, file and command line, in this order; and what is wrong, said in one run. */
#include "daemon/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct loaded {
    struct options options;
    struct yaml_messages messages;
    int result;
    char path[64];
    char argument[80];
};

/* content NULL: no file is named. Further arguments end with NULL. */
static struct loaded load(const char *content, ...)
{
    struct loaded loaded = {.options = OPTIONS_INIT, .messages = YAML_MESSAGES_INIT};
    char *argv[16] = {(char *)"itexd"};
    int argc = 1;
    va_list more;

    if (content) {
        strcpy(loaded.path, "/tmp/itexd-test-options-XXXXXX");
        int fd = mkstemp(loaded.path);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
        close(fd);
        snprintf(loaded.argument, sizeof loaded.argument, "--config=%s", loaded.path);
        argv[argc++] = loaded.argument;
    }
    va_start(more, content);
    while ((argv[argc] = va_arg(more, char *)))
        argc++;
    va_end(more);
    loaded.result = options_load(argc, argv, &loaded.options, &loaded.messages);
    if (content)
        unlink(loaded.path);
    return loaded;
}

static void unload(struct loaded *loaded)
{
    options_clear(&loaded->options);
    yaml_messages_clear(&loaded->messages);
}

static bool says(const struct loaded *loaded, const char *part)
{
    for (size_t i = 0; i < loaded->messages.n_items; i++)
        if (strstr(loaded->messages.items[i].text, part))
            return true;
    return false;
}

static void test_options_defaults(void **state)
{
    struct loaded loaded = load("durability: full\n", NULL);

    (void)state;
    assert_int_equal(loaded.result, OPTIONS_OK);
    assert_string_equal(loaded.options.group.text, "itexd");
    assert_int_equal(loaded.options.socket_mode, 0666);
    assert_int_equal(loaded.options.connections_per_uid, 256);
    assert_int_equal(loaded.options.outbound_bytes_per_peer, 1 << 20);
    assert_int_equal(loaded.options.retry_window, 120000);
    assert_int_equal(loaded.options.policy, OPTION_POLICY_RULESET);
    assert_false(loaded.options.locked);
    unload(&loaded);
}

static void test_options_command_line_over_file(void **state)
{
    struct loaded loaded = load("policy: advise\nlocked: true\nconnections: 5\nretention_days: 7\n", "--policy=enforce",
                                "--connections", "9", "--locked=false", NULL);

    (void)state;
    assert_int_equal(loaded.result, OPTIONS_OK);
    assert_int_equal(loaded.options.policy, OPTION_POLICY_ENFORCE);
    assert_int_equal(loaded.options.connections, 9);
    assert_int_equal(loaded.options.retention_days, 7);
    assert_false(loaded.options.locked);
    unload(&loaded);
}

static void test_options_switch_without_value(void **state)
{
    struct loaded loaded = load("", "--locked", "--check", NULL);

    (void)state;
    unload(&loaded);
    loaded = load("locked: false\n", "--locked", "--check", NULL);
    assert_int_equal(loaded.result, OPTIONS_OK);
    assert_true(loaded.options.locked);
    assert_true(loaded.options.check);
    unload(&loaded);
}

static void test_options_every_mistake_of_the_file(void **state)
{
    struct loaded loaded = load("conections: 5\npolicy: maybe\nlocked: perhaps\nconnections: 0\n", NULL);

    (void)state;
    assert_int_equal(loaded.result, OPTIONS_CONFIGURATION);
    assert_int_equal(loaded.messages.n_errors, 4);
    assert_true(says(&loaded, ":1:"));
    assert_true(says(&loaded, "connections"));
    assert_true(says(&loaded, ":2:"));
    assert_true(says(&loaded, ":3:"));
    assert_true(says(&loaded, ":4:"));
    unload(&loaded);
}

static void test_options_of_the_command_line_are_not_for_the_file(void **state)
{
    struct loaded loaded = load("check: true\n", NULL);

    (void)state;
    assert_int_equal(loaded.result, OPTIONS_CONFIGURATION);
    unload(&loaded);
}

static void test_options_wrong_command_line(void **state)
{
    struct loaded loaded = load(NULL, "--sockets=/x", NULL);

    (void)state;
    assert_int_equal(loaded.result, OPTIONS_USAGE);
    assert_true(says(&loaded, "--socket"));
    unload(&loaded);
    loaded = load("policy: advise\n", "--connections=many", NULL);
    assert_int_equal(loaded.result, OPTIONS_USAGE);
    unload(&loaded);
    loaded = load("policy: advise\n", "--connections=0", "--policy=no", "extra", NULL);
    assert_int_equal(loaded.result, OPTIONS_USAGE);
    assert_true(says(&loaded, "ruleset, enforce, advise"));
    assert_true(says(&loaded, "extra"));
    unload(&loaded);
    loaded = load(NULL, "--socket", NULL);
    assert_int_equal(loaded.result, OPTIONS_USAGE);
    unload(&loaded);
}

static void test_options_named_file_must_exist(void **state)
{
    struct loaded loaded = load(NULL, "--config=/nonexistent/itexd.yaml", NULL);

    (void)state;
    assert_int_equal(loaded.result, OPTIONS_CONFIGURATION);
    assert_true(says(&loaded, "/nonexistent/itexd.yaml"));
    unload(&loaded);
}

static void test_options_paths_are_absolute(void **state)
{
    struct loaded loaded = load("socket: here.sock\nsocket_mode: \"0999\"\n", NULL);

    (void)state;
    assert_int_equal(loaded.result, OPTIONS_CONFIGURATION);
    assert_int_equal(loaded.messages.n_errors, 2);
    unload(&loaded);
}

static void test_options_file_of_comments(void **state)
{
    struct loaded loaded = load("# policy: advise\n", NULL);

    (void)state;
    assert_int_equal(loaded.result, OPTIONS_OK);
    assert_int_equal(loaded.messages.n_items, 0);
    unload(&loaded);
    loaded = load("", "--config=/", NULL);
    assert_int_equal(loaded.result, OPTIONS_CONFIGURATION);
    assert_true(says(&loaded, "Is a directory"));
    unload(&loaded);
}

static void refuse_worker_environment(const char *argument, const char *text)
{
    struct loaded loaded = load(NULL, argument, NULL);

    assert_int_equal(loaded.result, OPTIONS_USAGE);
    assert_true(says(&loaded, text));
    unload(&loaded);
}

static void test_options_worker_environment(void **state)
{
    struct loaded loaded = load(NULL, "--worker-environment= A=1\tB_2=x=y  C= ", NULL);

    (void)state;
    assert_int_equal(loaded.result, OPTIONS_OK);
    unload(&loaded);
    refuse_worker_environment("--worker-environment=A=1 B", "--worker-environment is \"A=1 B\"; it must be NAME=VALUE");
    refuse_worker_environment("--worker-environment==1", "must be NAME=VALUE");
    refuse_worker_environment("--worker-environment=1A=1", "must be NAME=VALUE");
    refuse_worker_environment("--worker-environment=A=1 ZE_ENABLE_ALT_DRIVERS=/x", "simulated_driver does");
    refuse_worker_environment("--worker-environment=A= B= C= D= E= F= G= H= I= J= K= L= M=", "12 variables at most");
    loaded = load("worker_environment: ZE_ENABLE_ALT_DRIVERS=/x\n", NULL);
    assert_int_equal(loaded.result, OPTIONS_CONFIGURATION);
    unload(&loaded);
}

static void test_options_checked_late_are_named_as_written(void **state)
{
    struct loaded loaded = load("policy: advise\n", "--socket-mode=999", "--database=here.db", NULL);

    (void)state;
    assert_int_equal(loaded.result, OPTIONS_USAGE);
    assert_true(says(&loaded, "--socket-mode is \"999\"; it must be octal"));
    assert_true(says(&loaded, "--database is \"here.db\"; it must be a path"));
    unload(&loaded);
    loaded = load("socket_mode: \"999\"\n", NULL);
    assert_int_equal(loaded.result, OPTIONS_CONFIGURATION);
    assert_true(says(&loaded, "socket_mode is \"999\""));
    unload(&loaded);
    loaded = load(NULL, "--sokcet=/x", NULL);
    assert_true(says(&loaded, "unknown option --sokcet; did you mean --socket?"));
    unload(&loaded);
}

static void test_options_help_needs_no_file(void **state)
{
    struct loaded loaded = load(NULL, "--config=/nonexistent/itexd.yaml", "--help", NULL);

    (void)state;
    assert_int_equal(loaded.result, OPTIONS_OK);
    assert_true(loaded.options.help);
    unload(&loaded);
    loaded = load(NULL, "-h", NULL);
    assert_true(loaded.options.help);
    unload(&loaded);
}

static void test_options_that_need_a_restart(void **state)
{
    struct loaded one = load("connections: 5\n", NULL), other = load("connections: 6\n", NULL);
    struct loaded moved = load("database: /elsewhere\n", NULL);

    (void)state;
    assert_null(options_needs_restart(&one.options, &other.options));
    assert_string_equal(options_needs_restart(&one.options, &moved.options), "database");
    unload(&one);
    unload(&other);
    unload(&moved);
}

static void test_options_are_kept_until_a_restart(void **state)
{
    struct loaded before = load("connections: 5\nsocket_mode: '0600'\ndevices: 'off'\n", NULL);
    struct loaded after = load("connections: 6\ndatabase: /elsewhere\nruntime_directory: /run/elsewhere\n"
                               "simulated_driver: /lib/driver.so\n",
                               NULL);

    (void)state;
    assert_int_equal(options_keep_until_restart(&after.options, &before.options), 0);
    assert_null(options_needs_restart(&before.options, &after.options));
    unload(&before); /* nothing of it is referred to */
    assert_int_equal(after.options.connections, 6);
    assert_string_equal(after.options.database.text, "/var/lib/itexd/itexd.db");
    assert_string_equal(after.options.runtime_directory.text, "/run/itexd");
    assert_int_equal(after.options.socket_mode, 0600);
    assert_int_equal(after.options.devices, OPTION_DEVICES_OFF);
    assert_null(after.options.simulated_driver.text);
    unload(&after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_defaults),
        cmocka_unit_test(test_options_command_line_over_file),
        cmocka_unit_test(test_options_switch_without_value),
        cmocka_unit_test(test_options_every_mistake_of_the_file),
        cmocka_unit_test(test_options_of_the_command_line_are_not_for_the_file),
        cmocka_unit_test(test_options_wrong_command_line),
        cmocka_unit_test(test_options_named_file_must_exist),
        cmocka_unit_test(test_options_paths_are_absolute),
        cmocka_unit_test(test_options_file_of_comments),
        cmocka_unit_test(test_options_worker_environment),
        cmocka_unit_test(test_options_checked_late_are_named_as_written),
        cmocka_unit_test(test_options_help_needs_no_file),
        cmocka_unit_test(test_options_that_need_a_restart),
        cmocka_unit_test(test_options_are_kept_until_a_restart),
    };

    return cmocka_run_group_tests_name("daemon-options", tests, NULL, NULL);
}
