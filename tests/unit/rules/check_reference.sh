#!/bin/sh
# docs/rules.md must be what the rules themselves say.
#
#     check_reference.sh ITEXCTL RULES_FOLDER DOCS_FILE
set -eu
if "$1" rules reference "$2" | diff -u "$3" - >&2; then
    echo "ok 1 - docs/rules.md is the reference of db/rules"
else
    echo "not ok 1 - docs/rules.md differs from db/rules; write it anew: itexctl rules reference db/rules > docs/rules.md"
fi
echo "1..1"
