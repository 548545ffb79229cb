/* Looking facts up by name. Linear: the table is small, and the resolver itself works with numbers. */
#include "facts.h"

#include <string.h>

int fact_by_name(const char *name)
{
    for (int fact = 0; fact < FACT_COUNT; fact++)
        if (strcmp(fact_table[fact].name, name) == 0)
            return fact;
    return -1;
}

int fact_value_by_name(enum fact_id fact, const char *value)
{
    const struct fact_info *info = &fact_table[fact];

    for (int i = 0; i < info->n_values; i++)
        if (strcmp(info->values[i], value) == 0)
            return i;
    return -1;
}
