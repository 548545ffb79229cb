"""Writes the numbered schema files as one C table: schema_steps[n] takes a database from version n to n + 1.

Usage: embed.py OUTPUT.c 001-*.sql 002-*.sql ...
"""

import pathlib
import re
import sys


def c_string(text: str) -> str:
    lines = []
    for line in text.splitlines():
        statement = line.split("--")[0].rstrip() if "'" not in line else line
        if statement.strip():
            escaped = statement.replace("\\", "\\\\").replace('"', '\\"')
            lines.append(f'    "{escaped}\\n"')
    return "\n".join(lines)


def main(output: str, sources: list[str]) -> None:
    steps = []
    for expected, source in enumerate(map(pathlib.Path, sources), start=1):
        number = re.match(r"(\d{3})-", source.name)
        if number is None or int(number[1]) != expected:
            sys.exit(f"{source.name}: expected a name that begins with {expected:03d}-")
        steps.append(f"    /* {source.name} */\n{c_string(source.read_text())},\n")
    body = "".join(steps)
    pathlib.Path(output).write_text(
        '#include "db/schema/schema.h"\n\n'
        f"const char *const schema_steps[] = {{\n{body}}};\n"
        "const int schema_version = (int)(sizeof schema_steps / sizeof *schema_steps);\n"
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
