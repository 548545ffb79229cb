/* Looking facts and their values up by name. */
#include "daemon/resolver/facts.h"

#include <string.h>

int fact_by_name(const char *name)
{
    size_t low = 0;
    size_t high = FACT_COUNT;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int sign = strcmp(name, fact_table[facts_by_name[middle]].name);

        if (sign == 0)
            return (int)facts_by_name[middle];
        if (sign < 0)
            high = middle;
        else
            low = middle + 1;
    }
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
