"""TAP for the tests of this folder: a line per case, what is wrong as comments."""

import sys


def run(cases):
    """cases: (name, function that returns what is wrong, or nothing). Returns the exit status."""
    chosen = [case for case in cases if len(sys.argv) < 2 or sys.argv[1] in case[0]]
    print(f"1..{len(chosen)}")
    failed = 0
    for number, (name, function) in enumerate(chosen, 1):
        try:
            wrong = function() or []
        except Exception as error:
            import traceback

            wrong = [f"{type(error).__name__}: {error}", *traceback.format_exc().splitlines()]
        failed += bool(wrong)
        print(f"{'not ok' if wrong else 'ok'} {number} - {name}")
        for line in wrong[:20]:
            print(f"#   {line}")
        sys.stdout.flush()
    return 1 if failed else 0


def differences(pairs):
    """pairs: (what, found, expected)"""
    return [
        f"{what}: {found!r}, it should be {expected!r}"
        for what, found, expected in pairs
        if found != expected
    ]
