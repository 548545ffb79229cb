"""Counts the results that ./check left in a folder: meson's JUnit files and the file of single results."""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def count_junit(path):
    """Returns (passed, names that failed, skipped names) of one meson run."""
    passed, failed, skipped = 0, [], []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{path.stem}: {case.get('classname', '')} {case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(name)
        elif case.find("skipped") is not None:
            skipped.append(name)
        else:
            passed += 1
    return passed, failed, skipped


def main():
    folder = Path(sys.argv[1])
    passed, failed, skipped = 0, [], []
    for path in sorted(folder.glob("*.xml")):
        more_passed, more_failed, more_skipped = count_junit(path)
        passed += more_passed
        failed += more_failed
        skipped += more_skipped
    for line in (folder / "single").read_text().splitlines():
        status, name = line.split("\t", 1)
        if status == "0":
            passed += 1
        else:
            failed.append(name)
    for name in skipped:
        print(f"skipped: {name}")
    for name in failed:
        print(f"failed: {name}")
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
