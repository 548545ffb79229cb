/* A line stays one line, an entry of the journal has every byte, and a reader who sleeps costs entries, not time. */
#include "daemon/log.h"
#include "daemon/log_entry.h"
#include "daemon/log_sink.h"

#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define FLOOD 5000

static int old_stderr, reading;

static int set_up(void **state)
{
    int ends[2];

    (void)state;
    old_stderr = dup(STDERR_FILENO);
    if (pipe(ends) < 0)
        return -1;
    reading = ends[0];
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    log_set_level(LOG_INFO);
    log_sink_open();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    dup2(old_stderr, STDERR_FILENO);
    close(old_stderr);
    close(reading);
    unsetenv("JOURNAL_STREAM");
    return 0;
}

static char *read_line(void)
{
    static char text[8192];
    ssize_t size = read(reading, text, sizeof text - 1);

    text[size > 0 ? size : 0] = '\0';
    return text;
}

/* ---- Lines ---------------------------------------------------------------------------------------------------- */

static void test_a_line_escapes_what_clients_say(void **state)
{
    (void)state;
    log_event(EVENT_PEER_CLOSED, LOG_NUMBER(FIELD_UID, 7), LOG_TEXT(FIELD_JOB, "a\nevent=forged \"x\"\x1b[31m\xc2\x9b"),
              LOG_TEXT(FIELD_WHY, "a.b-c/d"), LOG_TEXT(FIELD_CLIENT, NULL), LOG_TEXT(FIELD_PATH, ""),
              LOG_ID(FIELD_LEASE, 0));
    assert_string_equal(read_line(),
                        "event=peer-closed uid=7 job=\"a\\x0aevent=forged \\\"x\\\"\\x1b[31m\\xc2\\x9b\" why=a.b-c/d "
                        "client=- path=\"\" lease=-\n");
}

static void test_a_line_repeats_a_field_of_many_texts(void **state)
{
    static const char *const rules[] = {"keras3-1", "keras3-5"};

    (void)state;
    log_event(EVENT_DECISION_FIXED, LOG_ID(FIELD_DECISION, 5), LOG_TEXTS(FIELD_RULE, rules, 2),
              LOG_TEXTS(FIELD_DEVICE, NULL, 0), LOG_TEXT(FIELD_MODE, "npd"));
    assert_string_equal(read_line(), "event=decision decision=5 rule=keras3-1 rule=keras3-5 mode=npd\n");
}

static void test_long_lines_are_cut(void **state)
{
    char *value = malloc(100001);

    (void)state;
    memset(value, 'x', 100000);
    value[100000] = '\0';
    log_event(EVENT_PEER_CLOSED, LOG_TEXT(FIELD_WHY, value));
    const char *line = read_line();
    assert_in_range(strlen(line), 100, LOG_LINE);
    assert_string_equal(line + strlen(line) - 4, "...\n");
    free(value);
}

static void test_below_the_level_is_silence(void **state)
{
    (void)state;
    log_event(EVENT_REFUSED, LOG_NUMBER(FIELD_UID, 1));
    log_event(EVENT_NO_RULES, LOG_NUMBER(FIELD_UID, 2));
    assert_string_equal(read_line(), "event=no-rules uid=2\n");
}

/* ---- What is lost --------------------------------------------------------------------------------------------- */

struct counts {
    uint64_t of[LOG_N_EVENTS], dropped, limited;
};

static void count_line(struct counts *counts, const char *line)
{
    uint64_t lines;

    if (sscanf(line, "event=log-dropped lines=%ju", &lines) == 1)
        counts->dropped += lines;
    else if (sscanf(line, "event=log-limited lines=%ju", &lines) == 1)
        counts->limited += lines;
    else
        for (int i = 0; i < LOG_N_EVENTS; i++)
            if (strncmp(line, "event=", 6) == 0 && strncmp(line + 6, log_events[i].name, strcspn(line + 6, " ")) == 0 &&
                !log_events[i].variant[0])
                counts->of[i]++;
}

/* Until the flood is there, or told of as lost, and so is the error that came behind it. */
static void count_flood(FILE *lines, struct counts *counts)
{
    char line[LOG_LINE + 1];

    while (counts->of[EVENT_PEER_CLOSED] + counts->dropped + counts->limited < FLOOD ||
           counts->of[EVENT_NO_RULES] == 0) {
        assert_non_null(fgets(line, sizeof line, lines));
        count_line(counts, line);
    }
}

/* The pipe is not read while so much is logged that it and the queue together do not hold it. */
static void test_what_is_not_read_is_dropped_counted_and_told(void **state)
{
    const uint64_t before = log_dropped();
    struct counts counts = {.dropped = 0};

    (void)state;
    log_set_level(LOG_DEBUG); /* for whom there is no rate */
    log_start();
    for (int i = 0; i < FLOOD; i++)
        log_event(EVENT_PEER_CLOSED, LOG_TEXT(FIELD_WHY, "filler-filler-filler-filler-filler-filler"));
    assert_in_range(log_dropped() - before, 1, FLOOD);
    log_event(EVENT_NO_RULES, LOG_NUMBER(FIELD_UID, 1)); /* for which there is room left */
    FILE *lines = fdopen(dup(reading), "r");
    count_flood(lines, &counts);
    assert_int_equal(counts.dropped, log_dropped() - before);
    assert_int_equal(counts.limited, 0);
    fclose(lines);
    log_stop();
}

static void test_what_goes_beyond_the_rate_is_left_out_and_told(void **state)
{
    const uint64_t before = log_dropped();
    struct counts counts = {.dropped = 0};
    FILE *lines = fdopen(dup(reading), "r");

    (void)state;
    log_start();
    for (int i = 0; i < FLOOD; i++)
        log_event(EVENT_PEER_CLOSED, LOG_NUMBER(FIELD_UID, 7));
    log_event(EVENT_NO_RULES, LOG_NUMBER(FIELD_UID, 1));
    count_flood(lines, &counts);
    assert_int_equal(log_dropped(), before); /* whoever has too much to say is not one that nobody reads */
    assert_in_range(counts.of[EVENT_PEER_CLOSED], 500, FLOOD / 2);
    assert_int_equal(counts.of[EVENT_PEER_CLOSED] + counts.limited, FLOOD);
    fclose(lines);
    log_stop();
}

static void test_a_line_that_nobody_can_read_any_more_is_counted(void **state)
{
    const uint64_t before = log_dropped();
    int fd = open("/dev/full", O_WRONLY);

    (void)state;
    dup2(fd, STDERR_FILENO);
    close(fd);
    log_event(EVENT_NO_RULES, LOG_NUMBER(FIELD_UID, 1));
    assert_int_equal(log_dropped(), before + 1);
}

/* ---- The journal ---------------------------------------------------------------------------------------------- */

static char directory[64], path[96];
static char datagram[LOG_DATAGRAM_MAX];
static ssize_t received;
static int journal = -1;

static void open_journal(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    unlink(path);
    journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(journal, (struct sockaddr *)&address, sizeof address), 0);
}

static int set_up_journal(void **state)
{
    struct stat info;
    char stream[64];

    if (set_up(state) < 0)
        return -1;
    snprintf(directory, sizeof directory, "/tmp/itexd-log-XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof path, "%s/socket", directory);
    fstat(STDERR_FILENO, &info);
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)info.st_dev, (uintmax_t)info.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    open_journal();
    log_sink_use(path);
    log_sink_open();
    return 0;
}

static int tear_down_journal(void **state)
{
    close(journal);
    unlink(path);
    rmdir(directory);
    return tear_down(state);
}

static void receive(void)
{
    received = recv(journal, datagram, sizeof datagram, 0);
    assert_true(received > 0);
}

/* The nth value of the field in the datagram; NULL: there is none. */
static const char *field(const char *name, size_t *size, int nth)
{
    for (const char *at = datagram; at < datagram + received;) {
        const char *end = strchr(at, '\n');
        uint64_t length;

        memcpy(&length, end + 1, sizeof length);
        length = le64toh(length);
        assert_int_equal(end[9 + length], '\n');
        if (strlen(name) == (size_t)(end - at) && memcmp(at, name, (size_t)(end - at)) == 0 && nth-- == 0) {
            *size = (size_t)length;
            return end + 9;
        }
        at = end + 10 + length;
    }
    return NULL;
}

static void assert_field(const char *name, int nth, const char *wanted)
{
    size_t size = 0;
    const char *value = field(name, &size, nth);

    assert_non_null(value);
    assert_int_equal(size, strlen(wanted));
    assert_memory_equal(value, wanted, size);
}

static void test_an_entry_has_fields_with_every_byte(void **state)
{
    static const char *const rules[] = {"keras3-1", "keras3-5"};
    static const char job[] = "a\nMESSAGE=forged\x1b[31m\xc2\x9b\\";
    size_t size;

    (void)state;
    log_event(EVENT_DECISION_REJECTED, LOG_ID(FIELD_DECISION, 0), LOG_NUMBER(FIELD_UID, 1000),
              LOG_NUMBER(FIELD_PID, 77), LOG_TEXT(FIELD_JOB, job), LOG_TEXTS(FIELD_RULE, rules, 2));
    receive();
    assert_field("MESSAGE", 0,
                 "Job a\\x0aMESSAGE=forged\\x1b[31m\\xc2\\x9b\\\\ of uid 1000 (pid 77) was rejected, rules keras3-1, "
                 "keras3-5");
    assert_null(field("MESSAGE", &size, 1));
    assert_field("MESSAGE_ID", 0, log_events[EVENT_DECISION_REJECTED].id);
    assert_field("PRIORITY", 0, "5");
    assert_field("SYSLOG_IDENTIFIER", 0, "itexd");
    assert_field("ITEXD_EVENT", 0, "decision");
    assert_field("ITEXD_JOB", 0, job);
    assert_field("ITEXD_RULE", 0, "keras3-1");
    assert_field("ITEXD_RULE", 1, "keras3-5");
    assert_field("ITEXD_UID", 0, "1000");
    assert_null(field("ITEXD_DECISION", &size, 0)); /* none */
}

static void test_an_entry_of_the_largest_values_arrives_whole(void **state)
{
    char *text = malloc(60001);
    const char *texts[] = {text, text, text, text, text, text};
    size_t size;

    (void)state;
    memset(text, '\x01', 60000);
    text[60000] = '\0';
    log_event(EVENT_DECISION_FIXED, LOG_TEXT(FIELD_JOB, text), LOG_TEXTS(FIELD_RULE, texts, 6));
    receive();
    const char *value = field("ITEXD_JOB", &size, 0);
    assert_int_equal(size, LOG_TEXT_MAX);
    assert_memory_equal(value + size - 3, "...", 3);
    assert_memory_equal(value, text, size - 3);
    value = field("MESSAGE", &size, 0);
    assert_int_equal(size, LOG_MESSAGE_MAX);
    assert_memory_equal(value + size - 3, "...", 3);
    assert_non_null(field("ITEXD_RULE", &size, 1));
    assert_null(field("ITEXD_RULE", &size, 5));
    free(text);
}

static void test_without_the_journal_lines_have_a_priority_until_it_is_back(void **state)
{
    (void)state;
    log_event(EVENT_NO_RULES, LOG_NUMBER(FIELD_UID, 1));
    receive();
    close(journal);
    log_event(EVENT_NO_RULES, LOG_NUMBER(FIELD_UID, 2)); /* nobody holds the socket */
    assert_string_equal(read_line(), "<3>event=no-rules uid=2\n");
    unlink(path);
    log_event(EVENT_NO_GROUP, LOG_NUMBER(FIELD_UID, 3)); /* there is no socket */
    assert_string_equal(read_line(), "<4>event=no-group uid=3\n");
    open_journal();
    log_event(EVENT_NO_RULES, LOG_NUMBER(FIELD_UID, 4));
    receive();
    assert_field("ITEXD_UID", 0, "4");
}

static void test_another_stderr_than_the_journals_gets_lines(void **state)
{
    (void)state;
    setenv("JOURNAL_STREAM", "1:1", 1);
    log_sink_open();
    log_event(EVENT_NO_RULES, LOG_NUMBER(FIELD_UID, 1));
    assert_string_equal(read_line(), "event=no-rules uid=1\n");
}

/* A journal that hangs takes no more than its socket holds. */
static void test_a_hanging_journal_costs_entries_and_they_are_told(void **state)
{
    const uint64_t before = log_dropped();
    uint64_t seen = 0, told = 0;
    size_t size;

    (void)state;
    log_set_level(LOG_DEBUG);
    log_start();
    for (int i = 0; i < FLOOD; i++)
        log_event(EVENT_PEER_CLOSED, LOG_NUMBER(FIELD_UID, 7));
    assert_in_range(log_dropped() - before, 1, FLOOD);
    while (seen + told < FLOOD) {
        receive();
        const char *lines = field("ITEXD_LINES", &size, 0);
        const char *of = field("ITEXD_OF", &size, 0);

        if (!lines)
            seen++;
        else if (strncmp(of, "peer-closed", size) == 0) /* not what the tests before have lost */
            told += strtoull(lines, NULL, 10);
    }
    assert_int_equal(seen + told, FLOOD);
    assert_int_equal(told, log_dropped() - before);
    log_stop();
}

/* ---- The table ------------------------------------------------------------------------------------------------ */

static bool has_word(const char *words, const char *word, size_t size)
{
    for (const char *at = words; *at; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");

        if (length == size && memcmp(at, word, size) == 0)
            return true;
        at += length;
    }
    return false;
}

static bool is_key(const char *word, size_t size)
{
    for (int i = 0; i < LOG_N_FIELDS; i++)
        if (has_word(log_field_rows[i].key, word, size))
            return true;
    return false;
}

static void check_message(const struct log_event_row *row)
{
    int depth = 0;

    for (const char *at = row->message; *at; at++) {
        depth += *at == '[' ? 1 : *at == ']' ? -1 : 0;
        assert_in_range(depth, 0, 1); /* parts in [] do not nest */
        if (*at != '{')
            continue;
        size_t size = strcspn(at, "}") - 1;
        assert_true(has_word(row->fields, at + 1, size));
        at += size + 1;
    }
    assert_int_equal(depth, 0);
}

static void test_every_row_of_the_table_is_whole(void **state)
{
    (void)state;
    for (int i = 0; i < LOG_N_EVENTS; i++) {
        const struct log_event_row *row = &log_events[i];

        assert_int_equal(strlen(row->id), 32);
        for (const char *at = row->id; *at; at++)
            assert_true(isxdigit((unsigned char)*at) && !isupper((unsigned char)*at));
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(row->id, log_events[j].id);
            assert_false(strcmp(row->name, log_events[j].name) == 0 &&
                         strcmp(row->variant, log_events[j].variant) == 0);
        }
        for (const char *at = row->fields; *at; at += strspn(at, " ")) {
            size_t size = strcspn(at, " ");

            assert_true(is_key(at, size));
            at += size;
        }
        check_message(row);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
#define JOURNAL_TEST(function) cmocka_unit_test_setup_teardown(function, set_up_journal, tear_down_journal)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_of_the_table_is_whole),
        TEST(test_a_line_escapes_what_clients_say),
        TEST(test_a_line_repeats_a_field_of_many_texts),
        TEST(test_long_lines_are_cut),
        TEST(test_below_the_level_is_silence),
        TEST(test_what_is_not_read_is_dropped_counted_and_told),
        TEST(test_a_line_that_nobody_can_read_any_more_is_counted),
        JOURNAL_TEST(test_an_entry_has_fields_with_every_byte),
        JOURNAL_TEST(test_an_entry_of_the_largest_values_arrives_whole),
        JOURNAL_TEST(test_without_the_journal_lines_have_a_priority_until_it_is_back),
        JOURNAL_TEST(test_another_stderr_than_the_journals_gets_lines),
        JOURNAL_TEST(test_a_hanging_journal_costs_entries_and_they_are_told),
        TEST(test_what_goes_beyond_the_rate_is_left_out_and_told), /* last: it uses up what others may */
    };

    return cmocka_run_group_tests_name("daemon-log", tests, NULL, NULL);
}
