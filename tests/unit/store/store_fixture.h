/* What the store's suites share: a store in a directory of its own, and calls that wait for their callback. */
#ifndef ITEXD_TESTS_STORE_FIXTURE_H
#define ITEXD_TESTS_STORE_FIXTURE_H

#include "db/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct fixture {
    char directory[64];
    char path[96];
    struct store_config config;
    struct store *store;
    uint64_t rule_set;
    uint64_t clock_ms; /* of the next decision */
};

/* The one rule set of every test. */
extern const struct store_rule_set fixture_rule_set;

/* cmocka's setup and teardown: an open store with one rule set, gone with its files. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
/* Only the directory. */
int fixture_setup_closed(void **state);

/* 0 or store_open's error; puts the rule set. */
int fixture_open(struct fixture *fixture);
void fixture_close(struct fixture *fixture);

/* What the tests vary; zero and NULL are defaults. */
struct sample {
    const char *job, *mode, *verdict, *rule, *outcome, *facts;
    uint32_t uid;
    uint64_t time_ms, lease;
};
/* Fills a decision; *storage holds what it points to. */
struct sample_storage {
    const char *rules[1];
};
struct store_decision sample_decision(struct fixture *fixture, const struct sample *sample,
                                      struct sample_storage *storage);

struct written {
    bool done;
    int status;
    uint64_t id;
};
void note_written(void *context, int status, uint64_t id);
/* Dispatches until *done, at most 20 s. */
void wait_until(struct store *store, const bool *done);
/* Puts a lease of a device that has been put, with an event and a sample; nobody waits. */
void put_lease_of(struct store *store, uint64_t id);
/* Puts and waits; the id, 0 where it was not recorded. */
uint64_t record(struct fixture *fixture, const struct sample *sample);

enum { PAGE_ROWS = 1000 };
struct page {
    bool done;
    int status;
    size_t n;
    uint64_t ids[PAGE_ROWS];
    uint64_t before;
    struct store_decision first; /* texts are in the buffers below */
    char job[64], mode[32], verdict[32], facts[64], outcome[64], observed[32];
};
void note_page(void *context, int status, const struct store_decision *rows, size_t n_rows, uint64_t before);
void query(struct store *store, const struct store_filter *filter, struct page *page);
/* One row by id. */
void read_back(struct store *store, uint64_t id, struct page *page);

/* Runs SQL on the closed or open database file, the first column of the first row as a number. */
int64_t sql_number(const char *path, const char *text);
void sql_execute(const char *path, const char *text);
/* A database as version 1 left it: a rule set, a decision (1, of job "old") and an event. */
void make_version_1(const char *path);
/* integrity_check and foreign_key_check. */
void assert_sound(const char *path);

/*
 * Whether a condition comes true within 20 s, for what the store tells by no event: it is looked at again and again, as
 * an administrator would ask for the status.
 */
#define COMES_TRUE(condition)                                                                                          \
    ({                                                                                                                 \
        int looks_ = 0;                                                                                                \
        while (!(condition) && look_again(&looks_))                                                                    \
            ;                                                                                                          \
        condition;                                                                                                     \
    })
/* Waits a little; false when it was often enough. */
bool look_again(int *looks);

/* Waits until store_recording is as wanted, at most 20 s. */
void wait_recording(struct store *store, bool wanted);
/* The name of the file in the directory that begins with prefix; false where there is none. */
bool find_file(const char *directory, const char *prefix, char *name, size_t size);
/* The whole file, malloc'ed. */
void *read_file(const char *path, size_t *size);

#endif
