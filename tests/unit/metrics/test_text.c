/* Accept headers of every kind; and labels, which users choose. */
#include "daemon/metrics/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_accept_headers(void **state)
{
    static const struct {
        const char *accept;
        enum metrics_format format;
    } cases[] = {
        {NULL, METRICS_PLAIN},
        {"", METRICS_PLAIN},
        {"*/*", METRICS_PLAIN},
        {"application/openmetrics-text", METRICS_OPEN},
        {"APPLICATION/OpenMetrics-Text ; Version = 1.0.0", METRICS_OPEN},
        {"application/openmetrics-text;version=\"1.0.0\"", METRICS_OPEN},
        {"application/openmetrics-text;version=0.0.1", METRICS_PLAIN},
        {"application/openmetrics-text;version=0.0.1, application/openmetrics-text;q=0.1", METRICS_OPEN},
        {"text/plain, application/openmetrics-text", METRICS_OPEN},
        {"text/plain;q=0.9, application/openmetrics-text;q=0.8", METRICS_PLAIN},
        {"application/openmetrics-text;q=0.000", METRICS_PLAIN},
        {"application/openmetrics-text;q=nonsense", METRICS_OPEN},
        {",,;;==,;q=,application/openmetrics-text", METRICS_OPEN},
        {"application/openmetrics-text;q=0.00000000000000000001", METRICS_OPEN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(metrics_negotiate(cases[i].accept), cases[i].format);
}

static char *written(const char *value)
{
    struct text text = {.format = METRICS_OPEN};
    char *line;

    text_begin(&text, FAMILY_BUILD);
    line = strndup(text.data, text.size);
    text_sample(&text, 1, "version", value, NULL);
    free(line);
    line = strndup(text.data, text.size);
    text_clear(&text);
    return line;
}

static void assert_label(const char *value, const char *expected)
{
    char *line = written(value);
    char *at = strstr(line, "version=\"");

    assert_non_null(at);
    at += strlen("version=\"");
    assert_true(strncmp(at, expected, strlen(expected)) == 0);
    assert_string_equal(at + strlen(expected), "\"} 1\n");
    free(line);
}

static void test_labels(void **state)
{
    char longer[400], cut[TEXT_LABEL_MAX + 1];

    (void)state;
    assert_label("plain", "plain");
    assert_label("", "");
    assert_label("a\"b\\c\nd", "a\\\"b\\\\c\\nd");
    assert_label("\x01\x7f\r", "???");
    assert_label("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    /* alone, cut short, too long a form, a surrogate, beyond Unicode */
    assert_label("\x80", "?");
    assert_label("x\xe2\x82", "x??");
    assert_label("\xc0\x80", "??");
    assert_label("\xed\xa0\x80", "???");
    assert_label("\xf4\x90\x80\x80", "????");
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    memset(cut, 'x', TEXT_LABEL_MAX);
    cut[TEXT_LABEL_MAX] = '\0';
    assert_label(longer, cut);
    /* between two characters, not within one */
    memcpy(longer + TEXT_LABEL_MAX - 1, "\xe2\x82\xac", 3);
    cut[TEXT_LABEL_MAX - 1] = '\0';
    assert_label(longer, cut);
}

static void test_a_histogram_adds_up(void **state)
{
    struct text text = {.format = METRICS_PLAIN};
    struct histogram histogram = {.sum = 0};

    (void)state;
    histogram_add(&histogram, histogram_sizes, 1);
    histogram_add(&histogram, histogram_sizes, 3);
    histogram_add(&histogram, histogram_sizes, UINT64_C(1) << 40);
    text_begin(&text, FAMILY_COMMIT_SIZE);
    text_histogram(&text, &histogram, histogram_sizes, 1, NULL);
    text_sample(&text, 0, NULL); /* a line to end the text by */
    text.data[text.size - 1] = '\0';
    assert_non_null(strstr(text.data, "itexd_commit_writes_bucket{le=\"1.0\"} 1\n"));
    assert_non_null(strstr(text.data, "itexd_commit_writes_bucket{le=\"2.0\"} 1\n"));
    assert_non_null(strstr(text.data, "itexd_commit_writes_bucket{le=\"4.0\"} 2\n"));
    assert_non_null(strstr(text.data, "itexd_commit_writes_bucket{le=\"524288.0\"} 2\n"));
    assert_non_null(strstr(text.data, "itexd_commit_writes_bucket{le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(text.data, "itexd_commit_writes_count 3\n"));
    assert_non_null(strstr(text.data, "itexd_commit_writes_sum 1099511627780\n"));
    text_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accept_headers),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_a_histogram_adds_up),
    };

    return cmocka_run_group_tests_name("metrics-text", tests, NULL, NULL);
}
