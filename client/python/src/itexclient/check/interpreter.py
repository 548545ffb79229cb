"""Walks a script in the order in which Python would run it, without running any of it.

Conditions that are not known are walked both ways, functions of the script are walked where they are called,
loops twice. What is met on the way is noted: imports, uses of Keras, changes of the environment, models and
how they are compiled. Facts are drawn from the notes afterwards (conclusions.py), and only from what is
certain.

`certain` says whether a statement is run in every run of the script that goes through; `status` what must or
may have happened up to here.
"""

from __future__ import annotations

import re
import sys
from collections import namedtuple

from .environment import EnvironmentTable, legacy_now
from .values import ABSENT, Bound, Constant, Function, Instance, ItemsTable, KeyTable, Table, options_of
from .world import MAYBE, NO, YES, Status, World

Spot = namedtuple("Spot", "unit node")

MOST_STEPS = 800_000
DEEPEST_CALL = 40
MOST_STATES = 30  # in which a try may be left by an exception; with more of them, any is possible

RETURN, BREAK, CONTINUE, RAISE, EXIT = "return", "break", "continue", "raise", "exit"


class TooMuch(Exception):
    """The script is larger than what is looked at; what was not seen is unknown."""


class Leaves(Exception):
    """Evaluating an expression does not come back: sys.exit(), or a function that always raises."""

    def __init__(self, flow, exception=None):
        super().__init__(flow)
        self.noted = False
        self.flow = flow
        self.exception = exception


class Unit:
    """A piece of text with its tree: a file, or one cell of a notebook."""

    def __init__(self, source, tree, text, cell=None):
        self.source = source
        self.tree = tree
        self.text = text
        self.cell = cell


class Scope:
    """A function's names, and where those that it does not have are looked for."""

    __slots__ = ("table", "parent", "module", "elsewhere")

    def __init__(self, module, parent=None, table=None):
        self.module = module
        self.parent = parent
        self.table = table if table is not None else Table()
        self.elsewhere = {}  # name -> the table that `global` or `nonlocal` says


class Loop:
    """whole, turn: how deep the world was when the loop, and when this turn of it, began."""

    __slots__ = ("whole", "turn", "continues", "breaks")

    def __init__(self, whole, turn, breaks):
        self.whole = whole
        self.turn = turn
        self.continues = []
        self.breaks = breaks


class Catching:
    """A try that is being walked: how the world is where the script itself raises, and what it raises."""

    __slots__ = ("depth", "states", "names")

    def __init__(self, depth):
        self.depth = depth
        self.states = []
        self.names = []


class Frame:
    """One call of a function, the body of a class or of a module.

    returned: a return has been walked, so that what follows depends on not having come by it; skipped:
    likewise for break and continue in the loop that is being walked.
    """

    __slots__ = (
        "scope",
        "unit",
        "function",
        "receiver",
        "owner",
        "depth",
        "returns",
        "results",
        "loops",
        "catching",
        "returned",
        "skipped",
        "yielded",
        "captured",
    )

    def __init__(self, scope, unit, function=None, receiver=None, depth=0):
        self.scope = scope
        self.unit = unit
        self.function = function
        self.receiver = receiver
        self.owner = None  # in the body of a class: that class
        self.depth = depth
        self.returns = []
        self.results = []
        self.loops = []
        self.catching = []
        self.returned = False
        self.skipped = False
        self.yielded = None
        self.captured = False  # a function that was made here sees its names


class Notes:
    """What the walk found."""

    def __init__(self):
        self.changes = {}  # (unit, line, column, name) -> Change
        self.uses = {}  # of Keras: (unit, line, column, route) -> (route, version, spot, certain)
        self.models = []  # every KerasObject that is a model
        self.layers = []  # every other
        self.settings = []  # Setting: how models are compiled, as it counted when they were trained
        self.settings_of_unknown = []  # what is not known to be a model is trained
        self.lost_attributes = []  # (Setting by attribute, Setting by the compile() that undoes it)
        self.consumed = set()  # models that were trained or asked
        self.recurrent = []  # LSTM and GRU layers
        self.determinism = []  # where op determinism is turned on
        self.only_keras3 = False  # the script uses what Keras 2 has not
        self.findings = {}  # (rule, unit, line, column) -> (rule, spot, details)
        self.unseen = []  # (what, spot): code that is run and not seen
        self.own_unseen = []  # those of them that are the script's own code
        self.tensorflow = []  # where TensorFlow is imported first: Spots
        self.places = {}  # what has happened or may have -> where first
        self.thinks_of_xpu = False
        self.reads = set()  # variables of the environment at hand that mattered


class Interpreter:
    """One walk through one script.

    files: which module is which file (files.py). installation: facts of the interpreter (facts.py), with the
    exact version of Keras as keras_version. at_hand: the environment. itex: a version that the person gave,
    or None.
    """

    def __init__(self, files, finder, installation, at_hand, bind_rank=False, itex=None):
        self.files = files
        self.finder = finder
        self.installation = installation
        self.at_hand = at_hand
        self.bind_rank = bind_rank
        self.itex = itex
        self.python_version = sys.version_info[:5]
        self.world = World()
        self.notes = Notes()
        self.status = Status()
        self.order = ItemsTable(first=frozenset({"none"}))  # what may have been imported first by now
        self.environment = EnvironmentTable()
        self.loaded = Status()  # modules of the script: YES where they have been run
        self.replaced = KeyTable()  # sys.modules as the script has changed it
        self.patched = KeyTable()  # attributes of others' modules that the script has set
        self.products = Table()  # what the script has put into others' objects
        self.chosen = Status()  # which Keras a route has got, once it has been used
        self.modules = {}
        self.frames = []
        self.certain = True
        self.scanning = False  # walking what the script itself never calls, for its mistakes only
        self.scope_spot = None  # where the strategy's scope that we are in was entered
        self.reinstalled = False  # the script installs packages: what is installed now says nothing
        self.deferred = []
        self.instances = []
        self.functions = []
        self.steps = 0
        self.events = 0  # how often something was noted
        self.cuts = 0  # how often a call was not walked because the function was being walked already
        self.remembered = {}  # calls that changed and noted nothing, and what they returned
        self.tail = True  # nothing of the script comes behind the statement that is walked
        self.tail_call = None  # the call which that statement is
        self.unrolling = 1  # how many turns of loops are walked one by one here
        self.harmless = set()
        self._harmless_asked = {}

    # ---- Where we are ---------------------------------------------------------------------------

    @property
    def frame(self):
        return self.frames[-1]

    def spot(self, node):
        return Spot(self.frames[-1].unit, node)

    def step(self):
        self.steps += 1
        if self.steps + self.world.work > MOST_STEPS:
            raise TooMuch

    def happened(self, name):
        return self.status.get(name, NO)

    def happens(self, name, node=None):
        """Something happens here, on this way for certain; where ways join, MAYBE comes of it."""
        if self.happened(name) != YES:
            self.world.write(self.status, name, YES)
        if node is not None:
            self.note_place(name, node)

    def may_happen(self, name):
        if self.happened(name) == NO:
            self.world.write(self.status, name, MAYBE)

    def unseen(self, what, node, own=False, environment=True):
        """Code is run here that is not seen: it may import anything and set any variable.

        own: it is the script's own, which may well make models. environment: it may set variables.
        """
        self.events += 1
        if self.scanning:
            return
        self.notes.unseen.append((what, self.spot(node)))
        for name in ("tensorflow", "keras", "tf_keras"):
            self.may_happen(name)
        if "none" in self.order["first"]:
            self.world.write(self.order, "first", self.order["first"] | {"tensorflow", "keras"})
        if environment:
            self.may_happen("environment")
        if own:
            self.notes.own_unseen.append(self.spot(node))

    def finding(self, rule, node, **details):
        spot = self.spot(node)
        key = (rule, id(spot.unit), node.lineno, node.col_offset)
        self.events += 1
        if key not in self.notes.findings:
            details["certain"] = self.sure()
            self.notes.findings[key] = (rule, spot, details)

    # ---- Names ----------------------------------------------------------------------------------

    def write(self, table, key, value):
        self.world.write(table, key, value)

    def bind(self, name, value):
        frame = self.frame
        scope = frame.scope
        table = scope.elsewhere.get(name, scope.table)
        if frame.function is not None and not frame.captured and table is scope.table:
            self.world.write_local(table, name, value)
        else:
            self.world.write(table, name, value)

    def look_up(self, name):
        """The value of a name, ABSENT where nothing binds it."""
        scope = self.frame.scope
        table = scope.elsewhere.get(name)
        if table is not None:
            return table.get(name, ABSENT)
        while scope is not None:
            value = scope.table.get(name, ABSENT)
            if value is not ABSENT:
                return value
            scope = scope.parent
        return self.frame.scope.module.table.get(name, ABSENT)

    # ---- Both ways ------------------------------------------------------------------------------

    def sure(self):
        """Is what is walked now run in every run of the script that goes through?"""
        frame = self.frames[-1]
        return self.certain and not frame.returned and not frame.skipped and not self.scanning

    def either(self, ways, first_is_sure=False):
        """Walks each of the ways from here and joins them. Each is called and returns a flow, None to go on.

        Returns None if any goes on, else the flow of the first that left otherwise than by an exception.
        """
        before = self.sure()
        base = self.certain
        alternatives, flows = [], []
        for number, way in enumerate(ways):
            self.world.begin()
            self.certain = before and first_is_sure and number == 0
            try:
                flow = way()
            except Leaves as leaves:
                self.note_exception(leaves)
                flow = leaves.flow
            except BaseException:
                self.world.take_back(False)
                raise
            flows.append(flow)
            alternatives.append(self.world.take_back(flow is None))
        self.certain = base
        if self.world.join(alternatives):
            return None
        return next(
            (flow for flow in flows if flow in (RETURN, BREAK, CONTINUE)), flows[0] if flows else None
        )

    def note_exception(self, leaves):
        """An exception is raised here: every try around it, in callers too, sees the world as it is now."""
        if leaves.flow != RAISE or leaves.noted:
            return
        leaves.noted = True
        for frame in self.frames:
            for catching in frame.catching:
                if len(catching.states) < MOST_STATES:
                    catching.states.append(self.world.changes_since(catching.depth))
                catching.names.append(leaves.exception)

    # ---- What is called by others ---------------------------------------------------------------

    def defer(self, value):
        """The value is handed to code that is not seen: what can be called of it may be
        called from now on.
        """
        if self.scanning:
            return
        self.events += 1
        for option in options_of(value):
            if isinstance(option, (Function, Bound, Instance)):
                self.deferred.append(option)

    # ---- What is known of the installation ------------------------------------------------------

    def keras_version(self, route):
        """2, 3 or None: the Keras that this route gives here. Section "Which Keras" of docs/check.md."""
        if route == "tf_keras":
            return "2"
        if route == "keras":
            return self.installed_keras()
        chosen = self.chosen.get(route)
        if chosen is None:
            chosen = self.keras_of_tensorflow() or "?"
            self.world.write(self.chosen, route, chosen)
        return chosen if chosen in ("2", "3") else None

    def installed_keras(self):
        """The distribution named keras."""
        if self.reinstalled:
            return None
        found = self.installation.get("keras_installed")
        if found in ("2", "3"):
            return found
        return "3" if found is None and self.is_newest() else None

    def keras_of_tensorflow(self):
        """tf.keras: tf_keras where TF_USE_LEGACY_KERAS is on, else the installed one; before 2.15 always
        Keras 2.
        """
        version = None if self.reinstalled else self.tensorflow_version()
        if version is not None and version < (2, 15):
            return "2"
        at_import, now = self.status.get("legacy", MAYBE), legacy_now(self)
        now = {True: "on", False: "off"}.get(now, MAYBE)
        installed = self.installed_keras()
        if installed == "2" or at_import == now == "on":
            return "2"
        return installed if at_import == now == "off" else None

    def tensorflow_version(self):
        """(major, minor) of TensorFlow, from its metadata or from the version of ITEX that was given; None if
        unknown.
        """
        if self.itex is not None:
            return (2, 16) if self.itex == "newest" else version_numbers(self.itex)[:2]
        found = self.installation.get("tensorflow")
        return version_numbers(found)[:2] if found else None

    def is_newest(self):
        version = self.tensorflow_version()
        return version is not None and version >= (2, 16)

    def libraries_harmless(self, top):
        """Has the installed package `top` been read, and has it nothing to do with TensorFlow, Keras or the
        environment?
        """
        if top not in self._harmless_asked:
            self._harmless_asked[top] = self.files.is_harmless(self.finder.find(top))
            if self._harmless_asked[top]:
                self.harmless.add(top)
        return self._harmless_asked[top]

    def installs(self, node):
        """The script itself installs packages that matter."""
        self.reinstalled = True

    def comes_first(self, name, node):
        """tensorflow or keras is imported: the first of the two, where neither has been."""
        if "none" in self.order["first"]:
            self.world.write(self.order, "first", self.order["first"] - {"none"} | {name})
            self.note_place("first", node)

    def note_place(self, name, node):
        if not self.scanning:
            self.notes.places.setdefault(name, self.spot(node))

    def note_tensorflow(self, node):
        if not self.scanning:
            self.notes.tensorflow.append(self.spot(node))


def version_numbers(text):
    return tuple(int(number) for number in re.findall(r"[0-9]+", text.split("+")[0]))


def text(value):
    """A constant string, else None."""
    return value.value if isinstance(value, Constant) and isinstance(value.value, str) else None
