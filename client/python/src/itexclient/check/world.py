"""What the script has changed so far, in a form that can be taken back.

Where a condition is not known, both ways are walked: each starts from the same world, what it changed is
taken back, and then the two are joined, name by name. Everything that can change - names, attributes, lists,
the process's environment, what has been imported - is in a Table and is changed through write().
"""

from __future__ import annotations

from .values import ABSENT, Table

NO, MAYBE, YES = "no", "maybe", "yes"


class Status(Table):
    """Things that have happened, or may have: YES or MAYBE; what is not there has not happened."""

    __slots__ = ()

    def join(self, key, left, right):
        return left if left == right else MAYBE


class Alternative:
    """One way on: what it changed, and whether the script goes on behind it."""

    __slots__ = ("changes", "goes_on")

    def __init__(self, changes, goes_on):
        self.changes = changes
        self.goes_on = goes_on


class World:
    """version: another number whenever anything may have changed but the names of a function that only it
    sees.

    work: how much has been taken back and joined; it grows with the time that it takes.
    """

    def __init__(self):
        self._journals = []
        self.version = 0
        self.work = 0

    def write(self, table, key, value):
        self.version += 1
        self.change(table, key, value, True)

    def write_local(self, table, key, value):
        """write() for names that nobody sees but the function that is being walked."""
        self.change(table, key, value, False)

    def change(self, table, key, value, shared):
        if self._journals:
            journal = self._journals[-1]
            mark = (id(table), key)
            if mark not in journal:
                journal[mark] = (table, key, table.get(key, ABSENT), shared)
        restore(table, key, value)

    def depth(self):
        return len(self._journals)

    def journal(self):
        """What the innermost begin() has seen changed: (table, key, value before) each."""
        return [entry[:3] for entry in self._journals[-1].values()]

    def begin(self):
        self._journals.append({})

    def take_back(self, goes_on):
        """Ends what begin() began: everything is as it was then, and the changes are returned."""
        journal = self._journals.pop()
        self.work += len(journal)
        changes = {}
        for mark, (table, key, old, shared) in journal.items():
            changes[mark] = (table, key, table.get(key, ABSENT), shared)
            restore(table, key, old)
            if shared:
                self.version += 1
        return Alternative(changes, goes_on)

    def changes_since(self, depth):
        """What has changed since there were that many journals; nothing is taken back."""
        changes = {}
        for journal in self._journals[depth:]:
            self.work += len(journal)
            for mark, (table, key, _, shared) in journal.items():
                changes[mark] = (table, key, table.get(key, ABSENT), shared)
        return Alternative(changes, True)

    def join(self, alternatives):
        """The world after one of the alternatives. False if none of them goes on."""
        alive = [alternative for alternative in alternatives if alternative.goes_on]
        if not alive:
            return False
        if len(alive) == 1:
            for table, key, value, shared in alive[0].changes.values():
                self.put(table, key, value, shared)
            return True
        touched = {}
        for alternative in alive:
            self.work += len(alternative.changes)
            touched.update(alternative.changes)
        for mark, (table, key, _, shared) in touched.items():
            before = table.get(key, ABSENT)
            joined = None
            for number, alternative in enumerate(alive):
                value = alternative.changes[mark][2] if mark in alternative.changes else before
                joined = value if number == 0 else joined_of(table, key, joined, value)
            self.put(table, key, joined, shared)
        return True

    def put(self, table, key, value, shared):
        (self.write if shared else self.write_local)(table, key, value)


def joined_of(table, key, left, right):
    if left is ABSENT and right is ABSENT:
        return ABSENT
    return table.join(key, left, right)


def restore(table, key, old):
    if old is ABSENT:
        table.pop(key, None)
    else:
        table[key] = old


def either(left, right):
    """The status of 'one or the other happened, and which is not known'."""
    return left if left == right else MAYBE
