"""Turns db/rules/facts.yaml into the fact tables of the resolver.

    gen_facts.py FACTS.yaml OUT.h OUT.c

The header gets an enum of facts, one enum of values per fact (0 is always "unknown") and one of variables and
parsers; the source gets the tables that facts.h declares. Every mistake in the file ends the build with a
message that names the fact.
"""

import re
import sys

import yaml

TYPES = ("enum", "bool", "text")
ORIGINS = ("declared", "environment", "derived")

# What each parser can answer, in the order of the numbers that parse.h gives the answers. The parsers of
# TF_XLA_FLAGS share one parse and fill their facts themselves.
PARSERS = {
    "native-bool": ("false", "true"),
    "python-disable": ("false", "true"),
    "python-legacy": ("false", "true"),
    "native-spelling": ("read", "misread"),
    "presence": ("set",),
    "strict-bool": ("false", "true", "invalid"),
    "integer": ("valid", "invalid"),
    "verbose": ("valid", "begins", "invalid"),
    "hierarchy": ("flat", "composite", "combined", "other"),
    "backend": ("cpu", "gpu", "auto", "other"),
    "device-filter": ("level-zero", "other"),
    "affinity-mask": ("empty", "valid", "odd", "invalid"),
    "selector": ("invalid", "all", "ordinals", "other"),
    "keras-backend": ("tensorflow", "other"),
    "xla-source": (),
    "xla-auto-jit": (),
    "xla-auto-jit-set": (),
    "xla-exempt": (),
    "xla-device-api": (),
    "xla-unknown": (),
}


def fail(name, problem):
    sys.exit(f"facts.yaml: fact {name}: {problem}")


def identifier(text):
    return re.sub(r"[^A-Za-z0-9]", "_", text).upper()


def quoted(text):
    return "NULL" if text is None else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def check_fact(fact):
    name = fact["name"]
    if fact["type"] not in TYPES or fact["origin"] not in ORIGINS:
        fail(name, f"type must be one of {TYPES} and origin one of {ORIGINS}")
    if any(not isinstance(value, str) for value in fact.get("values", [])):
        fail(name, "values must be texts; quote numbers and on/off")
    if fact["type"] == "bool":
        fact["values"] = ["false", "true"]
    if fact["origin"] != "environment":
        return
    parser = fact.get("parser")
    if parser not in PARSERS:
        fail(name, f"no parser {parser!r}; parsers are {', '.join(PARSERS)}")
    missing = [answer for answer in PARSERS[parser] if answer not in fact["values"]]
    if missing:
        fail(name, f"its parser can answer {missing}, which are not among its values")
    fact["unset"] = fact.get("default") or ("unset" if "unset" in fact["values"] else None)
    if fact["unset"] not in fact["values"]:
        fail(name, "needs a default, or the value unset, for where the variable is absent")


def write_header(out, facts, variables):
    out.write("/* Made from db/rules/facts.yaml by gen_facts.py. */\n#ifndef ITEXD_FACTS_TABLE_H\n")
    out.write("#define ITEXD_FACTS_TABLE_H\n\nenum fact_id {\n")
    for fact in facts:
        out.write(f"    FACT_{identifier(fact['name'])},\n")
    out.write("    FACT_COUNT\n};\n\n")
    for fact in facts:
        if fact["type"] == "text":
            continue
        prefix = identifier(fact["name"])
        names = ", ".join(f"{prefix}_{identifier(value)}" for value in ["unknown", *fact["values"]])
        out.write(f"enum {fact['name']} {{ {names} }};\n")
    out.write("\nenum fact_parser {\n    PARSER_NONE,\n")
    for parser in PARSERS:
        out.write(f"    PARSER_{identifier(parser)},\n")
    out.write("};\n\n/* The variables that facts are parsed from, sorted by name. */\nenum variable_id {\n")
    for variable in variables:
        out.write(f"    VARIABLE_{variable},\n")
    out.write("    VARIABLE_COUNT\n};\n\n#endif\n")


def write_fact(out, index, fact, variables):
    answers = PARSERS.get(fact.get("parser"), ())
    mapped = ", ".join(str(fact["values"].index(answer) + 1) for answer in answers) or "0"
    variable = fact.get("variable")
    unset = fact["values"].index(fact["unset"]) + 1 if "unset" in fact else 0
    out.write(
        f"    {{.name = {quoted(fact['name'])}, .type = FACT_TYPE_{identifier(fact['type'])}, "
        f".origin = FACT_{identifier(fact['origin'])},\n"
        f"     .values = values_{index}, .n_values = {len(fact.get('values', ['known'])) + 1}, "
        f".variable = {variables.index(variable) if variable else -1}, "
        f".parser = PARSER_{identifier(fact.get('parser', 'none'))},\n"
        f"     .answers = {{{mapped}}}, .unset = {unset}, "
        f".always = {str(fact.get('always', False)).lower()},\n"
        f"     .source = {quoted(fact['source'])}}},\n"
    )


def write_source(out, facts, variables, obligations):
    out.write('/* Made from db/rules/facts.yaml by gen_facts.py. */\n#include "daemon/resolver/facts.h"\n\n')
    for index, fact in enumerate(facts):
        values = ", ".join(quoted(value) for value in ["unknown", *fact.get("values", ["known"])])
        out.write(f"static const char *const values_{index}[] = {{{values}}};\n")
    out.write("\nconst struct fact_info fact_table[FACT_COUNT] = {\n")
    for index, fact in enumerate(facts):
        write_fact(out, index, fact, variables)
    by_name = ", ".join(f"FACT_{identifier(name)}" for name in sorted(fact["name"] for fact in facts))
    out.write(f"}};\n\nconst enum fact_id facts_by_name[FACT_COUNT] = {{{by_name}}};\n\n")
    for variable in variables:
        ids = ", ".join(
            f"FACT_{identifier(fact['name'])}" for fact in facts if fact.get("variable") == variable
        )
        out.write(f"static const enum fact_id facts_of_{variable}[] = {{{ids}}};\n")
    out.write("\nconst struct fact_variable fact_variables[VARIABLE_COUNT] = {\n")
    for variable in variables:
        count = sum(fact.get("variable") == variable for fact in facts)
        out.write(f"    {{{quoted(variable)}, facts_of_{variable}, {count}}},\n")
    out.write("};\n\nconst struct fact_obligation fact_obligations[] = {\n")
    for obligation in obligations:
        fact, value = next(iter(obligation.get("settles", {}).items()), (None, None))
        out.write(f"    {{{quoted(obligation['token'])}, {quoted(fact)}, {quoted(value)}}},\n")
    out.write("};\nconst size_t n_fact_obligations = sizeof fact_obligations / sizeof *fact_obligations;\n")


def main():
    source, header_path, source_path = sys.argv[1:4]
    with open(source, encoding="utf-8") as stream:
        table = yaml.safe_load(stream)
    facts = table["facts"]
    for fact in facts:
        check_fact(fact)
    names = [fact["name"] for fact in facts]
    for name in names:
        if names.count(name) > 1:
            fail(name, "named twice")
    variables = sorted({fact["variable"] for fact in facts if "variable" in fact})
    with open(header_path, "w", encoding="utf-8") as out:
        write_header(out, facts, variables)
    with open(source_path, "w", encoding="utf-8") as out:
        write_source(out, facts, variables, table["obligations"])


if __name__ == "__main__":
    main()
