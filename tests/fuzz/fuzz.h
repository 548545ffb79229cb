/* What a fuzz target offers: the function of libFuzzer, so that the same file is built with clang's engine or with
 * fuzz_main.c, which replays a corpus and mutates it by itself. */
#ifndef ITEXD_FUZZ_H
#define ITEXD_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Says what does not hold and aborts, which every engine takes for a finding. */
_Noreturn void fuzz_broken(const char *what);

struct rules;
/* The shipped rules, read once from FUZZ_RULES. */
const struct rules *fuzz_shipped_rules(void);

#endif
