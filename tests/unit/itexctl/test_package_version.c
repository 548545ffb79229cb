/* Versions in pip's order, and ranges of them. The lists are from PEP 440 and from packages that exist. */
#include "client/itexctl/doctor/package_version.h"
#include "client/itexctl/itexctl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct package_version version(const char *text)
{
    struct package_version version;
    if (package_version_read(text, &version) < 0)
        fail_msg("%s was not read", text);
    return version;
}

static int compare(const char *a, const char *b)
{
    struct package_version left = version(a), right = version(b);
    return package_version_compare(&left, &right);
}

/* Each is less than all behind it. */
static void test_order(void **state)
{
    (void)state;
    static const char *const rising[] = {
        "1.dev0",        "1.0.dev456",    "1.0a1",
        "1.0a2.dev456",  "1.0a12.dev456", "1.0a12",
        "1.0b1.dev456",  "1.0b2",         "1.0b2.post345.dev456",
        "1.0b2.post345", "1.0rc1.dev456", "1.0rc1",
        "1.0",           "1.0+abc.5",     "1.0+abc.7",
        "1.0+5",         "1.0+5.1",       "1.0.post456.dev34",
        "1.0.post456",   "1.1.dev1",      "2.9",
        "2.15.0.3",      "2.15.0.9",      "2.15.0.10",
        "2.15.1",        "2.15.1+local",  "2.16.0.dev20240101",
        "2.16rc1",       "2.16",          "2.100",
        "2025.0.5",      "20241205",      "1!0.1",
    };
    for (size_t i = 0; i < LENGTH(rising); i++)
        for (size_t j = 0; j < LENGTH(rising); j++) {
            int found = compare(rising[i], rising[j]), wanted = (i > j) - (i < j);
            if ((found > 0) - (found < 0) != wanted)
                fail_msg("%s and %s compare as %d", rising[i], rising[j], found);
        }
}

static void test_ways_of_writing(void **state)
{
    (void)state;
    static const char *const same[][2] = {
        {"2.15", "2.15.0.0"},   {"v1.0", "1.0"},        {" 1.0\n", "1.0"},          {"1.0-1", "1.0.post1"},
        {"1.0alpha1", "1.0a1"}, {"1.0-RC.1", "1.0rc1"}, {"1.0preview2", "1.0c2"},   {"1.0.rev3", "1.0.post3"},
        {"1.0a", "1.0a0"},      {"1.0.dev", "1.0dev0"}, {"1.0+A_b-1", "1.0+a.b.1"}, {"01.02", "1.2"},
        {"1.0+007", "1.0+7"},
    };
    for (size_t i = 0; i < LENGTH(same); i++)
        if (compare(same[i][0], same[i][1]) != 0)
            fail_msg("%s and %s differ", same[i][0], same[i][1]);
}

static void test_what_is_none(void **state)
{
    (void)state;
    static const char *const none[] = {
        "",
        "x",
        "1.",
        "1..2",
        ".1",
        "1.0 2",
        "1.0+",
        "1.0+a..b",
        "1.0rc1x",
        "1!",
        "latest",
        "1.0post1post2",
        "9999999999",
        "1.1.1.1.1.1.1.1.1.1.1.1.1",
        "1.0+aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    struct package_version read;
    for (size_t i = 0; i < LENGTH(none); i++)
        if (package_version_read(none[i], &read) == 0)
            fail_msg("\"%s\" was read", none[i]);
}

static void test_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *range, *version;
        bool in;
    } cases[] = {
        {"~=2.15.0", "2.15.1", true},
        {"~=2.15.0", "2.15.0.dev1", false},
        {"~=2.15.0", "2.16.0", false},
        {"~=2.15.0", "2.16.0rc1", false},
        {"~=2.15", "2.16", true},
        {"==2025.0.*", "2025.0.5", true},
        {"==2025.0.*", "2025.1.0", false},
        {"==2025.0.*", "2025", true},
        {"==2.13", "2.13.0", true},
        {"==2.13", "2.13.1", false},
        {">=3.9,<3.12", "3.11.2", true},
        {">=3.9,<3.12", "3.12.0rc1", false},
        {">=3.9,<3.12", "3.12", false},
        {">=3.9, <3.12", "3.8.18", false},
        {"<4.24", "4.23.4", true},
        {"<4.24", "4.24.0.dev1", false},
        {"<4.24rc1", "4.24.dev1", true},
        {">1.0", "1.0.post1", false},
        {">1.0", "1.0.1", true},
        {">1.0.post1", "1.0.post2", true},
        {"==1.4.0", "1.4.0+cpu", true},
        {"==1.4.0+cpu", "1.4.0", false},
        {"!=1.5.*", "1.5.2", false},
        {"!=1.5.*,>=1", "1.6", true},
        {">=2.15.0.9", "2.15.0.10", true},
        {"<=2.15.0.9", "2.15.0.10", false},
        {">=2.15.1", "2.15.1+local", true},
        {"<=2.15.1", "2.15.1+local", true},
        {">=2.16", "2.16rc1", false},
        {">=1.24.0,<2", "2.0.0b1", false},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct package_range range;
        struct package_version read = version(cases[i].version);
        const char *why;
        assert_int_equal(package_range_read(cases[i].range, &range, &why), 0);
        if (package_version_in_range(&read, &range) != cases[i].in)
            fail_msg("%s in %s is not %d", cases[i].version, cases[i].range, cases[i].in);
    }
}

static void test_what_is_no_range(void **state)
{
    (void)state;
    static const char *const none[] = {"",      "2.15", "=2.15", ">=",      ">=2.15,",
                                       ">=2.*", "~=2",  ">=x",   "==2.*.1", ">1,>1,>1,>1,>1,>1,>1"};
    for (size_t i = 0; i < LENGTH(none); i++) {
        struct package_range range;
        const char *why = NULL;
        if (package_range_read(none[i], &range, &why) == 0)
            fail_msg("\"%s\" was read", none[i]);
        assert_non_null(why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),  cmocka_unit_test(test_ways_of_writing),  cmocka_unit_test(test_what_is_none),
        cmocka_unit_test(test_ranges), cmocka_unit_test(test_what_is_no_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
