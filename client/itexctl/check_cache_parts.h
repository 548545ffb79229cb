/* Inside check_cache.h. */
#ifndef ITEXCTL_CHECK_CACHE_PARTS_H
#define ITEXCTL_CHECK_CACHE_PARTS_H

#include "client/itexctl/check_cache.h"

#include <stddef.h>
#include <stdio.h>

/* check_cache_folder.c */

/* A descriptor of the folder, made where it is not there; -1 where there is none to be trusted. */
int cache_folder_open(void);
/* The entry's content, from malloc with a NUL behind it; NULL where there is none, or it is not to be trusted. */
char *cache_folder_read(int folder, const char *name, size_t *size);
/* Writes an entry whole or not at all. */
void cache_folder_write(int folder, const char *name, const char *text, size_t size);

/* check_cache_state.c */

/* Of bytes. */
void digest_of(const void *data, size_t size, char digest[CHECK_CACHE_DIGEST]);
/* Of a file's content; false where it cannot be read. */
bool digest_of_file(const char *path, char digest[CHECK_CACHE_DIGEST]);
/* Of the names in a folder that make modules and installed packages; false where it cannot be listed, or has too many.
 */
bool digest_of_names(const char *path, char digest[CHECK_CACHE_DIGEST]);

/* A line for each file, folder and variable that an answer rests on. False where one cannot be told to be unchanged. */
bool state_write(FILE *out, const struct check_cache *cache, const struct findings *findings);
/* Whether all lines hold still, in the job's environment. The lines are taken apart. */
bool state_holds(char *lines, char *const *environment);

#endif
