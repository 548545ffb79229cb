/* From checked records to the definitions that the resolver compiles. Only memory can be short here. */
#include "daemon/resolver/facts.h"
#include "daemon/rules/rule_records.h"

#include <errno.h>
#include <string.h>

#define DEFAULT_NAME "unnamed"

struct builder {
    struct yaml_memory *memory;
    bool failed; /* memory ran out; pointers may be NULL from here on and nothing may be written through them */
};

static void *get(struct builder *builder, size_t n, size_t size)
{
    void *memory = builder->failed ? NULL : yaml_memory_get(builder->memory, n, size);

    if (!memory)
        builder->failed = true;
    return memory;
}

static void build_condition(struct builder *builder, const struct yaml_pair *pair, struct rule_condition *condition)
{
    const char **values = get(builder, pair->values.n_items, sizeof(*values));

    if (!values)
        return;
    condition->fact = pair->key.text;
    condition->n_values = pair->values.n_items;
    condition->negated = pair->values.items[0].text[0] == '!';
    for (size_t i = 0; i < condition->n_values; i++)
        values[i] = pair->values.items[i].text + condition->negated;
    condition->values = values;
}

static void build_clause(struct builder *builder, const struct yaml_map *map, struct rule_clause *clause)
{
    struct rule_condition *conditions = get(builder, map->n_items, sizeof(*conditions));

    if (!conditions)
        return;
    for (size_t i = 0; i < map->n_items; i++)
        build_condition(builder, &map->items[i], &conditions[i]);
    clause->conditions = conditions;
    clause->n_conditions = map->n_items;
}

static const struct rule_clause *build_clauses(struct builder *builder, const struct yaml_maps *maps)
{
    struct rule_clause *clauses = get(builder, maps->n_items, sizeof(*clauses));

    for (size_t i = 0; clauses && i < maps->n_items; i++)
        build_clause(builder, &maps->items[i], &clauses[i]);
    return clauses;
}

/* One variant for each clause that leads to the same outcome. */
static void build_variants(struct builder *builder, const struct yaml_list *list, struct rule_def *rule)
{
    const struct variant_record *records = RECORDS(*list, variant_record);
    struct rule_variant *variants;
    size_t n = 0;

    for (size_t i = 0; i < list->n_items; i++)
        n += records[i].when.n_items;
    variants = get(builder, n, sizeof(*variants));
    if (!variants)
        return;
    rule->variants = variants;
    rule->n_variants = n;
    for (size_t i = 0; i < list->n_items; i++) {
        for (size_t j = 0; j < records[i].when.n_items; j++, variants++) {
            build_clause(builder, &records[i].when.items[j], &variants->when);
            variants->outcome = (enum outcome)records[i].outcome;
            variants->stage = (enum stage)records[i].strikes;
        }
    }
}

static size_t count_actions(const struct solution_record *part)
{
    return part->set.n_items + part->unset.n_items + part->xla_flag.n_items + part->drop_xla_flag.n_items +
           part->drop_unknown_flags + part->inline_flags_file + part->obligation.n_items;
}

static void add_texts(struct rule_action **at, enum action_kind kind, const struct yaml_texts *names)
{
    for (size_t i = 0; i < names->n_items; i++)
        *(*at)++ = (struct rule_action){.kind = kind, .name = names->items[i].text};
}

static void add_pairs(struct rule_action **at, enum action_kind kind, const struct yaml_map *map)
{
    for (size_t i = 0; i < map->n_items; i++)
        *(*at)++ = (struct rule_action){
            .kind = kind, .name = map->items[i].key.text, .value = map->items[i].values.items[0].text};
}

/* A file's flags are written out before single ones among them are changed. */
static void add_part(struct builder *builder, const struct solution_record *part, struct rule_action **at)
{
    struct rule_action *first = *at;
    struct rule_clause when = {.n_conditions = 0};

    if (part->inline_flags_file)
        *(*at)++ = (struct rule_action){.kind = ACTION_XLA_INLINE};
    if (part->drop_unknown_flags)
        *(*at)++ = (struct rule_action){.kind = ACTION_XLA_DROP_UNKNOWN};
    add_texts(at, ACTION_XLA_FLAG, &part->drop_xla_flag);
    add_pairs(at, ACTION_XLA_FLAG, &part->xla_flag);
    add_pairs(at, ACTION_SET, &part->set);
    add_texts(at, ACTION_UNSET, &part->unset);
    add_texts(at, ACTION_OBLIGATION, &part->obligation);
    build_clause(builder, &part->when, &when);
    for (; first < *at; first++)
        first->when = when;
}

static void build_actions(struct builder *builder, const struct yaml_list *list, struct rule_def *rule)
{
    const struct solution_record *parts = RECORDS(*list, solution_record);
    struct rule_action *actions;
    size_t n = 0;

    for (size_t i = 0; i < list->n_items; i++)
        n += count_actions(&parts[i]);
    actions = get(builder, n, sizeof(*actions));
    if (!actions)
        return;
    rule->actions = actions;
    rule->n_actions = n;
    for (size_t i = 0; i < list->n_items; i++)
        add_part(builder, &parts[i], &actions);
}

/* A folded or literal scalar may end with line breaks that nobody meant. */
static const char *trimmed(struct builder *builder, const char *text)
{
    size_t length = text ? strlen(text) : 0;
    char *copy;

    if (length == 0 || text[length - 1] != '\n')
        return text;
    while (length > 0 && text[length - 1] == '\n')
        length--;
    copy = yaml_memory_copy(builder->memory, text, length);
    if (!copy)
        builder->failed = true;
    return copy;
}

static unsigned build_generations(const struct yaml_texts *names)
{
    unsigned bits = 0;

    if (names->n_items == 0)
        return 1u << GENERATION_2_14 | 1u << GENERATION_2_15 | 1u << GENERATION_NEWEST;
    for (size_t i = 0; i < names->n_items; i++)
        bits |= rule_generation_bit(names->items[i].text);
    return bits;
}

static void build_rule(struct builder *builder, const struct rule_record *record, struct rule_def *rule)
{
    *rule = (struct rule_def){
        .id = record->id.text,
        .severity = (enum severity)record->severity,
        .outcome = (enum outcome)record->outcome,
        .stage = (enum stage)record->strikes,
        .generations = build_generations(&record->itex),
        .service = record->service,
        .any = build_clauses(builder, &record->when),
        .n_any = record->when.n_items,
        .unless = build_clauses(builder, &record->unless),
        .n_unless = record->unless.n_items,
        .message = trimmed(builder, record->message.text),
        .solution = trimmed(builder, record->solution_text.text),
        .source = trimmed(builder, record->source.text),
    };
    build_variants(builder, &record->outcome_where, rule);
    build_actions(builder, &record->solution, rule);
}

static void build_rules(struct builder *builder, struct rules *rules)
{
    struct rule_def *definitions;
    size_t n = 0, at = 0;

    for (size_t i = 0; i < rules->n_files; i++)
        n += rules->files[i].rules.n_items;
    definitions = get(builder, n, sizeof(*definitions));
    rules->origins = get(builder, n, sizeof(*rules->origins));
    for (size_t i = 0; !builder->failed && i < rules->n_files; i++) {
        const struct rule_record *records = RECORDS(rules->files[i].rules, rule_record);
        for (size_t j = 0; j < rules->files[i].rules.n_items; j++, at++) {
            build_rule(builder, &records[j], &definitions[at]);
            rules->origins[at] = (struct rule_origin){.file = &rules->files[i], .record = &records[j]};
        }
    }
    rules->definitions.rules = definitions;
    rules->definitions.n_rules = n;
}

static void build_flags(struct builder *builder, struct rules *rules)
{
    struct xla_flag_def *flags;
    size_t n = 0;

    for (size_t i = 0; i < rules->n_files; i++)
        n += rules->files[i].xla_flags.n_items;
    flags = get(builder, n, sizeof(*flags));
    rules->definitions.xla_flags = flags;
    rules->definitions.n_xla_flags = n;
    for (size_t i = 0; flags && i < rules->n_files; i++) {
        const struct xla_flag_record *records = RECORDS(rules->files[i].xla_flags, xla_flag_record);
        for (size_t j = 0; j < rules->files[i].xla_flags.n_items; j++)
            *flags++ = (struct xla_flag_def){.name = records[j].name.text,
                                             .type = (enum xla_flag_type)records[j].type,
                                             .generations = build_generations(&records[j].itex)};
    }
}

static void build_obligations(struct builder *builder, struct rules *rules)
{
    struct obligation_def *obligations = get(builder, n_fact_obligations, sizeof(*obligations));

    if (!obligations)
        return;
    for (size_t i = 0; i < n_fact_obligations; i++)
        obligations[i] = (struct obligation_def){
            .token = fact_obligations[i].token, .fact = fact_obligations[i].fact, .value = fact_obligations[i].value};
    rules->definitions.obligations = obligations;
    rules->definitions.n_obligations = n_fact_obligations;
}

int rules_build(struct rules *rules)
{
    struct builder builder = {.memory = &rules->memory};

    rules->definitions.name = DEFAULT_NAME;
    for (size_t i = 0; i < rules->n_files; i++) {
        if (rules->files[i].name.text)
            rules->definitions.name = rules->files[i].name.text;
        if (rules->files[i].policy_place.line > 0)
            rules->definitions.advise = rules->files[i].policy == POLICY_ADVISE;
    }
    build_rules(&builder, rules);
    build_flags(&builder, rules);
    build_obligations(&builder, rules);
    return builder.failed ? -ENOMEM : 0;
}
