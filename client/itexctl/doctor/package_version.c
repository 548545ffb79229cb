/* Versions and their order: see package_version.h. */
#include "client/itexctl/doctor/package_version.h"
#include "client/itexctl/itexctl.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

/* ---- Reading ------------------------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_separator(char c)
{
    return c == '.' || c == '-' || c == '_';
}

/* Digits at *text, which it moves on. Numbers of more than nine digits are no version's. */
static bool read_number(const char **text, uint32_t *number)
{
    size_t n = 0;
    *number = 0;
    for (; is_digit((*text)[n]); n++) {
        if (n == 9)
            return false;
        *number = *number * 10 + (uint32_t)((*text)[n] - '0');
    }
    *text += n;
    return n > 0;
}

static bool read_release(const char **text, struct package_version *version)
{
    const char *at = *text;
    uint32_t number;
    if (!read_number(&at, &number))
        return false;
    if (*at == '!') {
        version->epoch = number;
        at++;
        if (!read_number(&at, &number))
            return false;
    }
    for (;;) {
        if (version->n_numbers == PACKAGE_VERSION_NUMBERS)
            return false;
        version->numbers[version->n_numbers++] = number;
        if (*at != '.' || !is_digit(at[1]))
            break;
        at++;
        if (!read_number(&at, &number))
            return false;
    }
    *text = at;
    return true;
}

/* One of the words, with what may stand around it: "-rc.1", "post", ".dev3". A number that is left out is 0. False
 * where none is there; *bad where its number is none. */
static bool read_word(const char **text, const char *const *words, size_t n_words, size_t *which, uint32_t *number,
                      bool *bad)
{
    const char *at = *text + (is_separator(**text) ? 1 : 0);
    for (size_t i = 0; i < n_words; i++) {
        size_t length = strlen(words[i]);
        if (strncasecmp(at, words[i], length) != 0 || isalpha((unsigned char)at[length]))
            continue;
        at += length;
        if (is_separator(*at) && is_digit(at[1]))
            at++;
        *number = 0;
        if (is_digit(*at) && !read_number(&at, number))
            *bad = true;
        *which = i;
        *text = at;
        return true;
    }
    return false;
}

static bool read_before(const char **text, struct package_version *version)
{
    static const char *const words[] = {"alpha", "a", "beta", "b", "rc", "c", "preview", "pre"};
    static const enum package_stage stages[] = {PACKAGE_ALPHA,     PACKAGE_ALPHA,     PACKAGE_BETA,
                                                PACKAGE_BETA,      PACKAGE_CANDIDATE, PACKAGE_CANDIDATE,
                                                PACKAGE_CANDIDATE, PACKAGE_CANDIDATE};
    size_t which;
    bool bad = false;
    version->before = read_word(text, words, LENGTH(words), &which, &version->before_number, &bad);
    if (version->before)
        version->stage = stages[which];
    return !bad;
}

static bool read_after(const char **text, struct package_version *version)
{
    static const char *const words[] = {"post", "rev", "r"};
    size_t which;
    bool bad = false;
    if (**text == '-' && is_digit((*text)[1])) { /* 1.0-1 is 1.0.post1 */
        ++*text;
        version->after = true;
        return read_number(text, &version->after_number);
    }
    version->after = read_word(text, words, LENGTH(words), &which, &version->after_number, &bad);
    return !bad;
}

static bool read_developed(const char **text, struct package_version *version)
{
    static const char *const words[] = {"dev"};
    size_t which;
    bool bad = false;
    version->developed = read_word(text, words, LENGTH(words), &which, &version->developed_number, &bad);
    return !bad;
}

static bool read_local(const char **text, struct package_version *version)
{
    size_t n = 0;
    if (**text != '+')
        return true;
    for (++*text; isalnum((unsigned char)**text) || is_separator(**text); ++*text) {
        char c = (char)tolower((unsigned char)**text);
        bool divides = is_separator(c);
        if (n + 1 >= sizeof(version->local) || (divides && (n == 0 || version->local[n - 1] == '.')))
            return false;
        version->local[n++] = divides ? '.' : c;
    }
    version->local[n] = '\0';
    return n > 0 && version->local[n - 1] != '.';
}

int package_version_read(const char *text, struct package_version *version)
{
    *version = (struct package_version){.epoch = 0};
    text += strspn(text, " \t\r\n");
    text += *text == 'v' || *text == 'V';
    bool read = read_release(&text, version) && read_before(&text, version) && read_after(&text, version) &&
                read_developed(&text, version) && read_local(&text, version);
    text += strspn(text, " \t\r\n");
    return read && *text == '\0' ? 0 : -EINVAL;
}

/* ---- Order --------------------------------------------------------------------------------------------------- */

static int order(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_release(const struct package_version *a, const struct package_version *b)
{
    size_t n = a->n_numbers > b->n_numbers ? a->n_numbers : b->n_numbers;
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++) /* 2.15 is 2.15.0 */
        r = order(i < a->n_numbers ? a->numbers[i] : 0, i < b->n_numbers ? b->numbers[i] : 0);
    return r;
}

/* Before a release come its candidates, betas and alphas, and before these what was developed towards it. */
static int64_t rank_before(const struct package_version *version)
{
    if (version->before)
        return ((int64_t)version->stage << 32) + version->before_number;
    return version->developed && !version->after ? -1 : INT64_MAX;
}

static int64_t rank_after(const struct package_version *version)
{
    return version->after ? (int64_t)version->after_number : -1;
}

static int64_t rank_developed(const struct package_version *version)
{
    return version->developed ? (int64_t)version->developed_number : INT64_MAX;
}

/* Numbers by value and behind words. */
static int compare_part(const char *a, size_t a_length, const char *b, size_t b_length)
{
    bool a_number = strspn(a, "0123456789") >= a_length, b_number = strspn(b, "0123456789") >= b_length;
    if (a_number != b_number)
        return a_number ? 1 : -1;
    if (a_number) {
        for (; a_length > 1 && *a == '0'; a_length--)
            a++;
        for (; b_length > 1 && *b == '0'; b_length--)
            b++;
        if (a_length != b_length)
            return order((int64_t)a_length, (int64_t)b_length);
    }
    int r = memcmp(a, b, a_length < b_length ? a_length : b_length);
    return r != 0 ? r : order((int64_t)a_length, (int64_t)b_length);
}

static int compare_local(const char *a, const char *b)
{
    int r = 0;
    while (r == 0 && *a && *b) {
        size_t a_length = strcspn(a, "."), b_length = strcspn(b, ".");
        r = compare_part(a, a_length, b, b_length);
        a += a_length + (a[a_length] == '.');
        b += b_length + (b[b_length] == '.');
    }
    return r != 0 ? r : order(*a != '\0', *b != '\0');
}

static int compare_public(const struct package_version *a, const struct package_version *b)
{
    int r = order(a->epoch, b->epoch);
    if (r == 0)
        r = compare_release(a, b);
    if (r == 0)
        r = order(rank_before(a), rank_before(b));
    if (r == 0)
        r = order(rank_after(a), rank_after(b));
    return r != 0 ? r : order(rank_developed(a), rank_developed(b));
}

int package_version_compare(const struct package_version *a, const struct package_version *b)
{
    int r = compare_public(a, b);
    return r != 0 ? r : compare_local(a->local, b->local);
}

/* ---- Ranges ------------------------------------------------------------------------------------------------- */

static const char *read_relation(const char *text, enum package_relation *relation)
{
    static const struct {
        const char *sign;
        enum package_relation relation;
    } signs[] = {{"==", PACKAGE_EQUAL},    {"!=", PACKAGE_OTHER},      {"<=", PACKAGE_AT_MOST}, {"<", PACKAGE_LESS},
                 {">=", PACKAGE_AT_LEAST}, {"~=", PACKAGE_COMPATIBLE}, {">", PACKAGE_MORE}};
    for (size_t i = 0; i < LENGTH(signs); i++)
        if (strncmp(text, signs[i].sign, strlen(signs[i].sign)) == 0) {
            *relation = signs[i].relation;
            return text + strlen(signs[i].sign);
        }
    return NULL;
}

/* One clause of a length. NULL, or what is wrong with it. */
static const char *read_clause(const char *text, size_t length, struct package_clause *clause)
{
    char copy[96];
    if (length >= sizeof(copy))
        return "a clause of it is too long";
    memcpy(copy, text, length);
    copy[length] = '\0';
    const char *version = read_relation(copy + strspn(copy, " \t"), &clause->relation);
    if (!version)
        return "a clause of it does not begin with ==, !=, <, <=, >, >= or ~=";
    size_t n = strlen(copy);
    while (n > 0 && isspace((unsigned char)copy[n - 1]))
        copy[--n] = '\0';
    clause->any_end = n > 2 && strcmp(copy + n - 2, ".*") == 0;
    if (clause->any_end)
        copy[n - 2] = '\0';
    if (clause->any_end && clause->relation != PACKAGE_EQUAL && clause->relation != PACKAGE_OTHER)
        return "only == and != may end with .*";
    if (package_version_read(version, &clause->version) < 0)
        return "there is no version behind its sign";
    if (clause->relation == PACKAGE_COMPATIBLE && clause->version.n_numbers < 2)
        return "~= wants at least two numbers";
    return NULL;
}

int package_range_read(const char *text, struct package_range *range, const char **why)
{
    *range = (struct package_range){.n_clauses = 0};
    for (;;) {
        size_t length = strcspn(text, ",");
        if (range->n_clauses == PACKAGE_RANGE_CLAUSES) {
            *why = "it has too many clauses";
            return -EINVAL;
        }
        *why = read_clause(text, length, &range->clauses[range->n_clauses]);
        if (*why)
            return -EINVAL;
        range->n_clauses++;
        if (!text[length])
            return 0;
        text += length + 1;
    }
}

/* Whether a version begins with the first n numbers of another. */
static bool begins_with(const struct package_version *version, const struct package_version *start, size_t n)
{
    bool same = version->epoch == start->epoch;
    for (size_t i = 0; same && i < n; i++)
        same = (i < version->n_numbers ? version->numbers[i] : 0) == start->numbers[i];
    return same;
}

static bool same_release(const struct package_version *a, const struct package_version *b)
{
    return a->epoch == b->epoch && compare_release(a, b) == 0;
}

/* A local part counts only where the range has one. */
static int compare_for(const struct package_version *version, const struct package_clause *clause)
{
    return clause->version.local[0] ? package_version_compare(version, &clause->version)
                                    : compare_public(version, &clause->version);
}

static bool holds(const struct package_version *version, const struct package_clause *clause)
{
    const struct package_version *bound = &clause->version;
    int compared = compare_for(version, clause);
    bool equal = clause->any_end ? begins_with(version, bound, bound->n_numbers) : compared == 0;
    bool early = version->before || version->developed, bound_early = bound->before || bound->developed;
    switch (clause->relation) {
    case PACKAGE_EQUAL:
        return equal;
    case PACKAGE_OTHER:
        return !equal;
    case PACKAGE_LESS:
        return compared < 0 && !(early && !bound_early && same_release(version, bound));
    case PACKAGE_AT_MOST:
        return compared <= 0;
    case PACKAGE_MORE:
        return compared > 0 && !(version->after && !bound->after && same_release(version, bound));
    case PACKAGE_AT_LEAST:
        return compared >= 0;
    case PACKAGE_COMPATIBLE:
        return compared >= 0 && begins_with(version, bound, bound->n_numbers - 1);
    }
    return false;
}

bool package_version_in_range(const struct package_version *version, const struct package_range *range)
{
    for (size_t i = 0; i < range->n_clauses; i++)
        if (!holds(version, &range->clauses[i]))
            return false;
    return true;
}
