#include "daemon/metrics/families.h"

#include <stddef.h>

#define FAMILY_ENTRY(id, name, type, unit, help) {name, FAMILY_##type, unit, help},

const struct family family_table[FAMILY_COUNT] = {FAMILIES(FAMILY_ENTRY)};
