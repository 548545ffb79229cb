/* The tables of a rule file: which keys each mapping has and where their values go. */
#include "daemon/rules/rule_records.h"

static const char *const severities[] = {
    [SEVERITY_INFO] = "info",
    [SEVERITY_WARNING] = "warning",
    [SEVERITY_UNSUPPORTED] = "unsupported",
    [SEVERITY_ERROR] = "error",
    NULL,
};
static const char *const outcomes[] = {
    [OUTCOME_OK] = "ok",
    [OUTCOME_WARNING] = "warning",
    [OUTCOME_SLOW] = "slow",
    [OUTCOME_UNSUPPORTED] = "unsupported",
    [OUTCOME_CPU] = "cpu",
    [OUTCOME_EXIT0] = "exit0",
    [OUTCOME_ERROR] = "error",
    [OUTCOME_ABORT] = "abort",
    [OUTCOME_NO_DEVICE] = "no-device",
    NULL,
};
static const char *const stages[] = {[STAGE_IMPORT] = "import", [STAGE_RUN] = "run", NULL};
static const char *const policies[] = {[POLICY_ENFORCE] = "enforce", [POLICY_ADVISE] = "advise", NULL};
static const char *const applies[] = {"all", "errors", NULL};
static const char *const flag_types[] = {
    [XLA_FLAG_BOOL] = "bool",   [XLA_FLAG_STRING] = "string",     [XLA_FLAG_INT32] = "int32",
    [XLA_FLAG_INT64] = "int64", [XLA_FLAG_AUTO_JIT] = "auto-jit", NULL,
};

static const struct yaml_field solution_fields[] = {
    {.key = "when", YAML_TO(struct solution_record, when), .kind = YAML_MAP},
    {.key = "set", YAML_TO(struct solution_record, set), .kind = YAML_MAP},
    {.key = "unset", YAML_TO(struct solution_record, unset), .kind = YAML_TEXTS},
    {.key = "xla_flag", YAML_TO(struct solution_record, xla_flag), .kind = YAML_MAP},
    {.key = "drop_xla_flag", YAML_TO(struct solution_record, drop_xla_flag), .kind = YAML_TEXTS},
    {.key = "drop_unknown_flags", YAML_TO(struct solution_record, drop_unknown_flags), .kind = YAML_BOOL},
    {.key = "inline_flags_file", YAML_TO(struct solution_record, inline_flags_file), .kind = YAML_BOOL},
    {.key = "obligation", YAML_TO(struct solution_record, obligation), .kind = YAML_TEXTS},
};
static const struct yaml_table solution_table =
    YAML_TABLE("a solution", struct solution_record, solution_fields, YAML_PLACE(struct solution_record, place));

static const struct yaml_field variant_fields[] = {
    {.key = "when", YAML_TO(struct variant_record, when), .kind = YAML_MAPS, .required = true},
    {.key = "outcome", YAML_TO(struct variant_record, outcome), .kind = YAML_ENUM, .names = outcomes, .required = true},
    {.key = "strikes", YAML_TO(struct variant_record, strikes), .kind = YAML_ENUM, .names = stages, .required = true},
};
static const struct yaml_table variant_table =
    YAML_TABLE("an outcome_where", struct variant_record, variant_fields, YAML_PLACE(struct variant_record, place));

static const struct yaml_field expect_fields[] = {
    {.key = "holds",
     YAML_TO(struct expect_record, holds),
     YAML_PLACE(struct expect_record, holds_place),
     .kind = YAML_BOOL},
    {.key = "applied",
     YAML_TO(struct expect_record, applied),
     YAML_PLACE(struct expect_record, applied_place),
     .kind = YAML_BOOL},
    {.key = "verdict", YAML_TO(struct expect_record, verdict), .kind = YAML_TEXT},
    {.key = "mode", YAML_TO(struct expect_record, mode), .kind = YAML_TEXT},
    {.key = "predicted_mode", YAML_TO(struct expect_record, predicted_mode), .kind = YAML_TEXT},
    {.key = "outcome", YAML_TO(struct expect_record, outcome), .kind = YAML_TEXT},
    {.key = "set", YAML_TO(struct expect_record, set), .kind = YAML_MAP, .may_be_empty = true},
    {.key = "unset", YAML_TO(struct expect_record, unset), .kind = YAML_TEXTS, .may_be_empty = true},
    {.key = "obligations", YAML_TO(struct expect_record, obligations), .kind = YAML_TEXTS, .may_be_empty = true},
    {.key = "unknown", YAML_TO(struct expect_record, unknown), .kind = YAML_TEXTS, .may_be_empty = true},
    {.key = "because", YAML_TO(struct expect_record, because), .kind = YAML_TEXTS, .may_be_empty = true},
    {.key = "rules", YAML_TO(struct expect_record, rules), .kind = YAML_TEXTS, .may_be_empty = true},
};
static const struct yaml_table expect_table =
    YAML_TABLE("an expectation", struct expect_record, expect_fields, YAML_PLACE(struct expect_record, place));

static const struct yaml_field example_fields[] = {
    {.key = "given", YAML_TO(struct example_record, given), .kind = YAML_MAP, .may_be_empty = true},
    {.key = "env", YAML_TO(struct example_record, env), .kind = YAML_MAP},
    {.key = "script", YAML_TO(struct example_record, script), .kind = YAML_MAP},
    {.key = "oversized", YAML_TO(struct example_record, oversized), .kind = YAML_TEXTS},
    {.key = "policy",
     YAML_TO(struct example_record, policy),
     YAML_PLACE(struct example_record, policy_place),
     .kind = YAML_ENUM,
     .names = policies},
    {.key = "apply", YAML_TO(struct example_record, apply), .kind = YAML_ENUM, .names = applies},
    {.key = "expect",
     YAML_TO(struct example_record, expect),
     .kind = YAML_RECORD,
     .table = &expect_table,
     .required = true},
};
static const struct yaml_table example_table =
    YAML_TABLE("an example", struct example_record, example_fields, YAML_PLACE(struct example_record, place));

static const struct yaml_field rule_fields[] = {
    {.key = "id", YAML_TO(struct rule_record, id), .kind = YAML_TEXT, .required = true},
    {.key = "severity",
     YAML_TO(struct rule_record, severity),
     .kind = YAML_ENUM,
     .names = severities,
     .required = true},
    {.key = "outcome",
     YAML_TO(struct rule_record, outcome),
     YAML_PLACE(struct rule_record, outcome_place),
     .kind = YAML_ENUM,
     .names = outcomes,
     .required = true},
    {.key = "strikes", YAML_TO(struct rule_record, strikes), .kind = YAML_ENUM, .names = stages},
    {.key = "service", YAML_TO(struct rule_record, service), .kind = YAML_BOOL},
    {.key = "itex", YAML_TO(struct rule_record, itex), .kind = YAML_TEXTS},
    {.key = "when", YAML_TO(struct rule_record, when), .kind = YAML_MAPS},
    {.key = "unless", YAML_TO(struct rule_record, unless), .kind = YAML_MAPS},
    {.key = "outcome_where",
     YAML_TO(struct rule_record, outcome_where),
     .kind = YAML_RECORDS,
     .single = true,
     .table = &variant_table},
    {.key = "message", YAML_TO(struct rule_record, message), .kind = YAML_TEXT, .required = true},
    {.key = "solution",
     YAML_TO(struct rule_record, solution),
     .kind = YAML_RECORDS,
     .single = true,
     .table = &solution_table},
    {.key = "solution_text", YAML_TO(struct rule_record, solution_text), .kind = YAML_TEXT},
    {.key = "source", YAML_TO(struct rule_record, source), .kind = YAML_TEXT, .required = true},
    {.key = "examples", YAML_TO(struct rule_record, examples), .kind = YAML_RECORDS, .table = &example_table},
};
static const struct rule_record rule_defaults = {.strikes = STAGE_RUN};
static const struct yaml_table rule_table = YAML_TABLE(
    "a rule", struct rule_record, rule_fields, YAML_PLACE(struct rule_record, place), .defaults = &rule_defaults);

static const struct yaml_field xla_flag_fields[] = {
    {.key = "name", YAML_TO(struct xla_flag_record, name), .kind = YAML_TEXT, .required = true},
    {.key = "type", YAML_TO(struct xla_flag_record, type), .kind = YAML_ENUM, .names = flag_types, .required = true},
    {.key = "itex", YAML_TO(struct xla_flag_record, itex), .kind = YAML_TEXTS},
};
static const struct yaml_table xla_flag_table =
    YAML_TABLE("a flag", struct xla_flag_record, xla_flag_fields, YAML_PLACE(struct xla_flag_record, place));

static const struct yaml_field rule_file_fields[] = {
    {.key = "name", YAML_TO(struct rule_file_record, name), .kind = YAML_TEXT},
    {.key = "title", YAML_TO(struct rule_file_record, title), .kind = YAML_TEXT},
    {.key = "policy",
     YAML_TO(struct rule_file_record, policy),
     YAML_PLACE(struct rule_file_record, policy_place),
     .kind = YAML_ENUM,
     .names = policies},
    {.key = "xla_flags", YAML_TO(struct rule_file_record, xla_flags), .kind = YAML_RECORDS, .table = &xla_flag_table},
    {.key = "rules", YAML_TO(struct rule_file_record, rules), .kind = YAML_RECORDS, .table = &rule_table},
};
const struct yaml_table rule_file_table = YAML_TABLE("a rule file", struct rule_file_record, rule_file_fields);
