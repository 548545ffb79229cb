/*
 * A state: the environment as the job would see it, and the number of every dimension that follows from it.
 *
 * The base is what does not change during one call: the job's own variables, declared facts, texts. States are
 * cheap to copy; a change of a variable re-parses the facts of that variable only.
 */
#ifndef ITEXD_RESOLVER_STATE_H
#define ITEXD_RESOLVER_STATE_H

#include "daemon/resolver/compiled.h"
#include "daemon/resolver/resolver.h"

#define N_GENERATIONS 4 /* with GENERATION_UNKNOWN */

/* The value of a variable that was too long to send; compare pointers. */
extern const char oversized_value[];

struct own_variable {
    const char *value; /* NULL: absent */
    const char *file;  /* not NULL: the script sets it here */
    unsigned line;
};

/* What a lease sets; value NULL: unsets. */
struct lease_variable {
    uint32_t variable; /* of the set */
    const char *value;
};

struct base {
    const struct rule_set *set;
    const struct resolve_input *input;
    struct arena *arena;
    struct own_variable *own; /* per variable of the set */
    struct lease_variable *lease;
    size_t n_lease;
    const char *texts[FACT_COUNT];
    uint8_t declared[FACT_COUNT];
    enum provenance from[FACT_COUNT];
    bool flags_file_missing;
    bool flags_parsed[N_GENERATIONS];
    struct xla_parse own_flags[N_GENERATIONS]; /* of the job's own variable, read once per generation */
};

struct state {
    uint8_t *numbers;    /* per dimension */
    const char **values; /* per variable of the set; NULL: absent */
    bool *pinned;        /* per fact: settled by an obligation */
    struct xla_parse flags;
};

/* Room for a state of the base's set. 0 or -ENOMEM. */
int state_alloc(struct base *base, struct state *state);
void state_copy(const struct rule_set *set, struct state *to, const struct state *from);

/* The job's own state. 0 or -ENOMEM. */
int state_own(struct base *base, struct state *state);

/* As after a change of declared facts (of numbers[] or of texts): derives anew. 0 or -ENOMEM. */
int state_declared_changed(struct base *base, struct state *state, bool texts_changed);

/* Sets or (NULL) unsets a variable of the set. */
int state_set_variable(struct base *base, struct state *state, uint32_t variable, const char *value);

/* The text that holds the flags in effect, NULL where it cannot be read. */
const char *state_flags_text(const struct base *base, const struct state *state);

static inline const char *state_value(const struct base *base, const struct state *state, enum variable_id variable)
{
    return state->values[base->set->variable_of[variable]];
}

/* derive.c: facts that follow from others, on numbers[] alone but for the masks. */
void derive_generation(const struct base *base, uint8_t *numbers);
void derive_facts(const struct base *base, struct state *state);
void derive_gpus(const struct base *base, struct state *state); /* derive_gpus.c; a part of derive_facts */
enum mode derive_mode(const uint8_t *numbers);

#endif
