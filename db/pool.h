/* Memory that is given back all at once: the rows of one answer. */
#ifndef ITEXD_DB_POOL_H
#define ITEXD_DB_POOL_H

#include <stddef.h>

struct pool_chunk;
struct pool {
    struct pool_chunk *chunks; /* newest first */
};
#define POOL_NULL                                                                                                      \
    {                                                                                                                  \
        .chunks = NULL                                                                                                 \
    }

/* NULL where memory is short. Aligned for any type. */
void *pool_alloc(struct pool *pool, size_t size);
/* A copy with a NUL behind it. */
void *pool_copy(struct pool *pool, const void *data, size_t size);
void pool_clear(struct pool *pool);

#endif
