/*
 * Versions of Python packages, compared as versions: PEP 440 has the grammar and the order, so that 2.15.0.10 comes
 * behind 2.15.0.9, 2.16.0rc1 before 2.16.0 and 2.15.1+local behind 2.15.1. Nothing is allocated.
 *
 * The rules' own order (daemon/resolver/version.h) is looser and part of their contract; this one is pip's.
 */
#ifndef ITEXCTL_DOCTOR_PACKAGE_VERSION_H
#define ITEXCTL_DOCTOR_PACKAGE_VERSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKAGE_VERSION_NUMBERS 12
#define PACKAGE_VERSION_LOCAL 48
#define PACKAGE_RANGE_CLAUSES 6

enum package_stage { PACKAGE_ALPHA, PACKAGE_BETA, PACKAGE_CANDIDATE };

struct package_version {
    uint32_t epoch;
    uint32_t numbers[PACKAGE_VERSION_NUMBERS]; /* the release: 2.15.0.3 */
    size_t n_numbers;
    bool before, after, developed; /* 1.0rc1, 1.0.post1, 1.0.dev1 */
    enum package_stage stage;      /* with before */
    uint32_t before_number, after_number, developed_number;
    char local[PACKAGE_VERSION_LOCAL]; /* behind a +, in lower case with dots; "" where there is none */
};

/* 0, or -EINVAL: no version, or longer than anything that is one. Blanks around it are no part of it. */
int package_version_read(const char *text, struct package_version *version);
/* Less than, equal to or greater than 0. */
int package_version_compare(const struct package_version *a, const struct package_version *b);

enum package_relation {
    PACKAGE_EQUAL,      /* == */
    PACKAGE_OTHER,      /* != */
    PACKAGE_LESS,       /* < */
    PACKAGE_AT_MOST,    /* <= */
    PACKAGE_MORE,       /* > */
    PACKAGE_AT_LEAST,   /* >= */
    PACKAGE_COMPATIBLE, /* ~= */
};

struct package_clause {
    enum package_relation relation;
    bool any_end; /* == 2.15.* */
    struct package_version version;
};

/* All of its clauses hold: ">=2.15.1,<2.16". Without clauses everything is in it. */
struct package_range {
    struct package_clause clauses[PACKAGE_RANGE_CLAUSES];
    size_t n_clauses;
};

/* 0, or -EINVAL and *why says what is wrong with it. */
int package_range_read(const char *text, struct package_range *range, const char **why);
/* A release candidate of what is excluded by < is excluded too, as PEP 440 has it; other pre-releases count by their
 * place in the order, since what is installed is installed. */
bool package_version_in_range(const struct package_version *version, const struct package_range *range);

#endif
