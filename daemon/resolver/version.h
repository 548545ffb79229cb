/* Versions as Python packages have them, compared as versions: 2.9 < 2.15 < 2.15.0.3, 2.16rc1 < 2.16. */
#ifndef ITEXD_RESOLVER_VERSION_H
#define ITEXD_RESOLVER_VERSION_H

#include <stdbool.h>

/* The word that stands for a version above all others. */
#define VERSION_NEWEST "newest"

/* Begins with a digit and has only letters, digits, '.', '+', '-', '_', '!'; or is VERSION_NEWEST. */
bool version_valid(const char *text);

/* < 0, 0, > 0. Both must be valid. A missing part counts as 0. */
int version_compare(const char *a, const char *b);

/* Do bounds such as ">=2.16,<2.18", "==2.15.*" or "!=3" read as bounds at all? */
bool version_bounds_valid(const char *bounds);

/* Is the text within all of them? False where it is no version. bounds must be valid. */
bool version_within(const char *text, const char *bounds);

/* Has it the two numbers that a generation hangs on? "2" and "2.x" do not. */
bool version_names_generation(const char *text);

/* The first two parts; false where it is no version or VERSION_NEWEST. */
bool version_major_minor(const char *text, unsigned *major, unsigned *minor);

#endif
