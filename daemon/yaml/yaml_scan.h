/* Private to the reader: the first look at a file, at what libyaml's documents no longer show. */
#ifndef ITEXD_YAML_SCAN_H
#define ITEXD_YAML_SCAN_H

#include "daemon/yaml/yaml_table.h"

#include <yaml.h>

/* libyaml's marks count from 0. */
static inline struct yaml_place yaml_place_at(const char *file, yaml_mark_t mark)
{
    return (struct yaml_place){.file = file, .line = (unsigned)mark.line + 1, .column = (unsigned)mark.column + 1};
}

/*
 * Reports what makes a text unfit as a whole - syntax, encoding, further documents, aliases, depth, size - and what
 * only its events show: anchors, tags, directives, control characters.
 * 0 where a document can be loaded from it (errors may have been reported), -EINVAL where not, -ENOMEM.
 */
int yaml_scan(const char *file, const char *text, size_t size, struct yaml_messages *messages);

#endif
