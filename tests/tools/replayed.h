/* Whether a resolution, stored as its facts and resolved again from there, comes to the same outcome, byte for byte. */
#ifndef ITEXD_TESTS_REPLAYED_H
#define ITEXD_TESTS_REPLAYED_H

#include "daemon/resolver/resolver.h"

#include <stdbool.h>

/* False with what is wrong in text. */
bool replayed_alike(const struct rule_set *rules, const struct resolve_input *input,
                    const struct resolution *resolution, char *text, size_t size);

#endif
