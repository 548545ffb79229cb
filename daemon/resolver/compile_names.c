/* The names that a rule set works with: variables (hashed, since every variable of a job is looked up) and
 * obligation tokens. */
#include "daemon/resolver/compile.h"
#include "daemon/resolver/variables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Eight bytes a step: names are long and looked up for every variable of every job. */
static uint32_t hash_name(const char *name)
{
    size_t length = strlen(name);
    uint64_t hash = length * UINT64_C(0x9e3779b97f4a7c15);
    uint64_t word;

    for (; length >= sizeof word; name += sizeof word, length -= sizeof word) {
        memcpy(&word, name, sizeof word);
        hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
        hash ^= hash >> 32;
    }
    word = 0;
    memcpy(&word, name, length);
    hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
    return (uint32_t)(hash >> 32);
}

long rule_set_variable(const struct rule_set *set, const char *name)
{
    for (size_t at = hash_name(name) & (set->hash_size - 1);; at = (at + 1) & (set->hash_size - 1)) {
        uint32_t index = set->hash[at];

        if (index == UINT32_MAX)
            return -1;
        if (strcmp(set->variables[index].name, name) == 0)
            return index;
    }
}

/* A growing list of names, some of them twice. */
struct names {
    struct arena *arena;
    const char **items;
    size_t n;
    size_t capacity;
};

static int add_name(struct names *names, const char *name, size_t length)
{
    const char *copy = arena_copy(names->arena, name, length);

    if (names->n == names->capacity) {
        size_t capacity = names->capacity ? names->capacity * 2 : 128;
        const char **items = realloc(names->items, capacity * sizeof *items);

        if (!items)
            return -ENOMEM;
        names->items = items;
        names->capacity = capacity;
    }
    if (!copy)
        return -ENOMEM;
    names->items[names->n++] = copy;
    return 0;
}

static int add_template_name(void *userdata, const char *name, size_t length)
{
    return add_name(userdata, name, length);
}

/* Set by leases, though no fact is read from it. */
static const char device_order[] = "ZE_ENABLE_PCI_ID_DEVICE_ORDER";

static int collect(const struct rule_set_def *def, struct names *names)
{
    int r = add_name(names, device_order, sizeof device_order - 1);

    for (size_t i = 0; i < VARIABLE_COUNT && r == 0; i++)
        r = add_name(names, fact_variables[i].name, strlen(fact_variables[i].name));
    for (size_t i = 0; i < def->n_rules && r == 0; i++) {
        const struct rule_def *rule = &def->rules[i];

        for (size_t j = 0; j < rule->n_actions && r == 0; j++)
            if (rule->actions[j].kind == ACTION_SET || rule->actions[j].kind == ACTION_UNSET)
                r = add_name(names, rule->actions[j].name, strlen(rule->actions[j].name));
        if (r == 0 && rule->message)
            r = template_names(rule->message, add_template_name, names);
        if (r == 0 && rule->solution)
            r = template_names(rule->solution, add_template_name, names);
    }
    return r;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int build_hash(struct rule_set *set)
{
    set->hash_size = 64;
    while (set->hash_size < set->n_variables * 4)
        set->hash_size *= 2;
    set->hash = arena_array(&set->arena, set->hash_size, sizeof *set->hash);
    if (!set->hash)
        return -ENOMEM;
    memset(set->hash, 0xff, set->hash_size * sizeof *set->hash);
    for (size_t i = 0; i < set->n_variables; i++) {
        size_t at = hash_name(set->variables[i].name) & (set->hash_size - 1);

        while (set->hash[at] != UINT32_MAX)
            at = (at + 1) & (set->hash_size - 1);
        set->hash[at] = (uint32_t)i;
    }
    return 0;
}

static int build_variables(struct rule_set *set, struct names *names)
{
    int r;

    qsort(names->items, names->n, sizeof *names->items, by_text);
    set->variables = arena_array(&set->arena, names->n, sizeof *set->variables);
    if (!set->variables)
        return -ENOMEM;
    for (size_t i = 0; i < names->n; i++)
        if (i == 0 || strcmp(names->items[i - 1], names->items[i]) != 0)
            set->variables[set->n_variables++] = (struct set_variable){.name = names->items[i], .facts = -1};
    r = build_hash(set);
    for (size_t i = 0; i < VARIABLE_COUNT && r == 0; i++) {
        long index = rule_set_variable(set, fact_variables[i].name);

        set->variables[index].facts = (int16_t)i;
        set->variable_of[i] = (uint32_t)index;
    }
    return r;
}

int compile_variables(struct compiler *c)
{
    struct names names = {.arena = &c->set->arena};
    int r = collect(c->def, &names);

    if (r == 0)
        r = build_variables(c->set, &names);
    free(names.items);
    return r;
}

/* The definition of a token: the set's own, else the one of facts.yaml, else a token of a form that settles none. */
static int define_obligation(struct compiler *c, const char *token, struct obligation_def *out)
{
    for (size_t i = 0; i < c->def->n_obligations; i++) {
        if (strcmp(c->def->obligations[i].token, token) == 0) {
            *out = c->def->obligations[i];
            return 0;
        }
    }
    *out = (struct obligation_def){.token = token};
    for (size_t i = 0; i < n_fact_obligations; i++) {
        if (strcmp(fact_obligations[i].token, token) == 0) {
            out->fact = fact_obligations[i].fact;
            out->value = fact_obligations[i].value;
            return 0;
        }
    }
    if (strncmp(token, "install:", 8) == 0 || strncmp(token, "script:", 7) == 0)
        return 0;
    return compile_error(c, "no obligation %s; it is in no table and is neither install:NAME nor script:FILE:LINE",
                         token);
}

static int add_obligation(struct compiler *c, const char *token)
{
    struct rule_set *set = c->set;
    struct set_obligation *obligation = &set->obligations[set->n_obligations];
    struct obligation_def def;
    int value;
    int r;

    for (size_t i = 0; i < set->n_obligations; i++)
        if (strcmp(set->obligations[i].token, token) == 0)
            return 0;
    r = define_obligation(c, token, &def);
    if (r < 0)
        return r;
    *obligation = (struct set_obligation){.token = arena_strdup(&set->arena, token), .fact = -1};
    if (!obligation->token)
        return -ENOMEM;
    if (def.fact) {
        obligation->fact = fact_by_name(def.fact);
        if (obligation->fact < 0 || fact_table[obligation->fact].type == FACT_TYPE_TEXT ||
            fact_table[obligation->fact].origin == FACT_DERIVED)
            return compile_error(c, "the obligation %s cannot settle %s", token, def.fact);
        value = fact_value_by_name((enum fact_id)obligation->fact, def.value);
        if (value < 0)
            return compile_error(c, "the obligation %s settles %s as %s, which it cannot be", token, def.fact,
                                 def.value);
        obligation->value = (uint8_t)value;
    }
    set->n_obligations++;
    return 0;
}

int compile_obligations(struct compiler *c)
{
    size_t most = 0;
    int r = 0;

    for (size_t i = 0; i < c->def->n_rules; i++)
        for (size_t j = 0; j < c->def->rules[i].n_actions; j++)
            most += c->def->rules[i].actions[j].kind == ACTION_OBLIGATION;
    c->set->obligations = arena_array(&c->set->arena, most + 1, sizeof *c->set->obligations);
    if (!c->set->obligations)
        return -ENOMEM;
    for (size_t i = 0; i < c->def->n_rules && r == 0; i++) {
        c->rule = i;
        for (size_t j = 0; j < c->def->rules[i].n_actions && r == 0; j++)
            if (c->def->rules[i].actions[j].kind == ACTION_OBLIGATION)
                r = add_obligation(c, c->def->rules[i].actions[j].name);
    }
    return r;
}
