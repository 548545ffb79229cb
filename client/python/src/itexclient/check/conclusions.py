"""From what the walk noted to facts: db/rules/facts.yaml's names and values, and only what is certain.

A fact that says that something is *not* so (keras 0, custom_ops false ...) holds only where all code has been
seen.
"""

from __future__ import annotations

from . import keras_objects, variables, xla_flags
from .keras_objects import Setting
from .keras_tables import DETERMINISM_SINCE
from .values import Constant
from .world import MAYBE, NO, YES


class Fact:
    __slots__ = ("value", "spot", "why")

    def __init__(self, value, spot, why):
        self.value = value
        self.spot = spot
        self.why = why


class Item:
    """A variable that the script sets or unsets: one line of the answer's `environment`."""

    __slots__ = ("name", "value", "unset", "unconditional", "before_import", "change")

    def __init__(self, change, unconditional, before_import):
        self.name = change.name
        self.unset = change.value is None
        self.value = None if self.unset else change.value.value
        self.unconditional = unconditional
        self.before_import = before_import
        self.change = change


class Conclusions:
    """All that is drawn from one walk. facts: name -> Fact; environment: Items; uncertain: Changes without a
    known value.
    """

    def __init__(self, run):
        self.run = run
        self.notes = run.notes
        self.closed = not run.notes.unseen and run.happened("environment") == NO
        self.environment, self.uncertain = [], []
        self._at_import = {}
        self.conclude_environment()
        self.settings = self.settings_that_count()
        self.facts = {}
        for name, conclude in _FACTS:
            fact = conclude(self)
            if fact is not None:
                self.facts[name] = fact

    def value(self, name):
        fact = self.facts.get(name)
        return fact.value if fact else None

    # ---- The environment ------------------------------------------------------------------------

    def conclude_environment(self):
        by_name = {}
        for change in self.notes.changes.values():
            by_name.setdefault(change.name, []).append(change)
        for name, changes in by_name.items():
            early = [change for change in changes if change.imported == NO or change.how == "call"]
            counting = self.counting(early)
            # What comes before the import in some runs only makes all before it uncertain.
            settled = not any(change.imported == MAYBE and change.how != "call" for change in changes)
            self._at_import[name] = self.value_at_import(name, counting) if settled else (False, None)
            settled = settled and len(counting) == 1
            for change in counting:
                self.put(change, settled and change.certain and change.how != "setdefault", True)
            for change in changes:
                if change not in early:
                    self.put(change, change.certain and change.how != "setdefault", False)

    def counting(self, early):
        """The changes of a variable that matter at the import: what a later certain one undoes does not."""
        last = max(
            (n for n, change in enumerate(early) if change.certain and change.how != "setdefault"), default=0
        )
        return early[last:]

    def put(self, change, unconditional, before_import):
        known = change.value is None or isinstance(change.value, Constant)
        if known and change.how != "putenv":
            self.environment.append(Item(change, unconditional, before_import))
        else:
            self.uncertain.append(change)

    def value_at_import(self, name, counting):
        """(known, value or None) of a variable when TensorFlow is imported."""
        if len(counting) != 1 or not counting[0].certain:
            return (False, None) if counting else self.at_hand(name)
        change = counting[0]
        if change.how == "setdefault":
            known, value = self.at_hand(name)
            if not known or value is not None:
                return known, value
        if change.value is None:
            return True, None
        return (True, change.value.value) if isinstance(change.value, Constant) else (False, None)

    def at_hand(self, name):
        if self.run.happened("environment") != NO:
            return False, None
        self.notes.reads.add(name)
        return True, self.run.at_hand.get(name)

    def at_import(self, name):
        return self._at_import[name] if name in self._at_import else self.at_hand(name)

    # ---- The installation -----------------------------------------------------------------------

    def generation(self):
        """(generation, is it only assumed)"""
        version = (
            self.run.itex or self.run.installation.get("itex") or self.run.installation.get("tensorflow")
        )
        if version is None or self.run.reinstalled and not self.run.itex:
            return "newest", True
        return generation_of(version), False

    def flags(self):
        """What TF_XLA_FLAGS says at the import, None where that is not known."""
        known, value = self.at_import("TF_XLA_FLAGS")
        if not known or (value and xla_flags.is_file(value)):
            return None
        return xla_flags.read(value or "", self.generation()[0])

    def xla(self):
        """Will ITEX have XLA on? None where that is not known."""
        generation, _ = self.generation()
        if generation == "2.14":
            return False
        flags = self.flags()
        if flags is None:
            return None
        if flags.auto_jit > 0 or generation == "2.15":
            return flags.auto_jit > 0
        kept_off = [self.native(name) for name in ("TF_USE_LEGACY_KERAS", "ITEX_DISABLE_XLA")]
        return None if None in kept_off and True not in kept_off else True not in kept_off

    def native(self, name):
        known, value = self.at_import(name)
        return variables.native_bool(value, False) if known else None

    def backend_is_tensorflow(self):
        known, value = self.at_import("KERAS_BACKEND")
        return known and value in (None, "tensorflow")

    # ---- Models ---------------------------------------------------------------------------------

    def settings_that_count(self):
        """How models are compiled when they are used; of one that never is, how it ends."""
        settings = list(self.notes.settings) + self.notes.settings_of_unknown
        settings += [Setting(None, None, None, spot, False, "elsewhere") for spot in self.notes.own_unseen]
        for model in self.notes.models:
            if model not in self.notes.consumed:
                left = model.table.get("settings", frozenset())
                settings += sorted(left, key=lambda one: one.spot.node.lineno)
        seen, unique = set(), []
        for setting in settings:
            if id(setting) not in seen:
                seen.add(id(setting))
                unique.append(setting)
        return unique

    def models(self):
        """The models that are compiled; all there are where none is. None among them: one
        that is not seen.
        """
        if not self.settings:
            # Models that are parts of others are not what is trained.
            return [model for model in self.notes.models if not self.is_part(model)]
        return list(dict.fromkeys(setting.model for setting in self.settings))

    def is_part(self, model):
        return any(
            model is not other and any(one is model for one, _ in keras_objects.flatten(other)[0])
            for other in self.notes.models
        )

    def version_of(self, setting):
        if setting.model is not None and setting.model.version:
            return setting.model.version
        return self.value("keras") if setting.model is None else None

    def support(self, model):
        return keras_objects.jit_support(model) if model is not None and model.seen else ("unknown", None)

    def determinism(self):
        """yes, no, unknown: does Keras 3 see op determinism turned on?"""
        happened = self.run.happened("determinism")
        known, value = self.at_import("TF_DETERMINISTIC_OPS")
        if known and value and value.lower() in ("1", "true"):
            happened = YES
        exact = self.run.installation.get("keras_version")
        if happened == NO:
            return "no" if not self.notes.unseen else "unknown"
        if exact and numbers(exact)[:2] < DETERMINISM_SINCE:
            return "no"
        return "yes" if happened == YES and exact else "unknown"

    def decided(self, setting):
        """The fact jit for one model: on, off, auto, or None where it is not certain."""
        version = self.version_of(setting)
        if setting.jit in (None, "off"):
            return setting.jit
        if version == "2":
            return "on" if setting.jit == "on" else "off"
        if not self.backend_is_tensorflow():
            return None
        support, _ = self.support(setting.model)
        reasons_on, determinism = support == "yes", self.determinism()
        if setting.jit == "on":
            if version != "3":
                return "on" if reasons_on and determinism == "no" else None
            if support == "no" or determinism == "yes":
                return "off"
            return "on" if reasons_on and determinism == "no" else None
        strategy = setting.model.in_strategy if setting.model is not None else MAYBE
        if setting.eager or strategy == YES or support == "no" or determinism == "yes":
            return "auto"
        known = setting.eager is False and strategy == NO and reasons_on and determinism == "no"
        return "auto" if known else None

    def auto_is_on(self, setting):
        """Is jit_compile="auto" on for this model, as far as the script goes?"""
        support, _ = self.support(setting.model)
        known, override = self.at_import("ITEX_OPS_OVERRIDE")
        return (
            setting.model is not None
            and self.decided(setting) == "auto"
            and not setting.eager
            and setting.model.in_strategy == NO
            and support == "yes"
            and self.determinism() == "no"
            and known
            and (override or "0").lower() not in ("1", "true")
            and self.run.installation.get("lib_flavour") not in ("cpu", "none")
        )


def numbers(version):
    from .interpreter import version_numbers

    return version_numbers(version)


def generation_of(version):
    if version == "newest" or numbers(version)[:2] >= (2, 16):
        return "newest"
    return "2.15" if numbers(version)[:2] == (2, 15) else "2.14"


# ---- The facts, one function each -------------------------------------------------------------------


def first_use(con, version=None):
    for use in con.notes.uses.values():
        if version is None or use.version == version:
            return use.spot
    return con.notes.tensorflow[0] if con.notes.tensorflow else None


def keras(con):
    run = con.run
    if run.happened("keras ?") != NO:
        return None
    found = [version for version in ("2", "3") if run.happened("keras " + version) != NO]
    if not found:
        if con.closed and run.happened("tensorflow") == YES and run.happened("keras named") == NO:
            return Fact("0", first_use(con), "TensorFlow is imported and nothing of Keras is used")
        return None
    if len(found) > 1 or run.happened("keras " + found[0]) != YES or run.happened("keras beyond data") == NO:
        return None
    return Fact(found[0], first_use(con, found[0]), why_keras(con, found[0]))


def why_keras(con, version):
    use = next(use for use in con.notes.uses.values() if use.version == version)
    exact = con.run.installation.get("keras_version")
    installed = f"keras {exact} is installed" if exact else "TensorFlow 2.16 and later has Keras 3"
    if use.route == "tf_keras":
        return "tf_keras is Keras 2"
    if use.route == "keras":
        return f"import keras; {installed}"
    if version == "2" and con.run.installed_keras() != "2":
        return "tf.keras with TF_USE_LEGACY_KERAS on is tf_keras"
    return f"tf.keras; {installed}"


def jit(con):
    if not con.settings:
        return None
    decided = [con.decided(setting) for setting in con.settings]
    if None in decided or len(set(decided)) != 1:
        return None
    setting = con.settings[0]
    whys = {"compile": "compile()", "attribute": "model.jit_compile"}
    why = whys.get(setting.how, setting.how)
    if decided[0] == "off" and setting.jit != "off":
        why += (
            " asks for jit, and Keras 3 turns it off"
            if setting.jit == "on"
            else " without jit_compile on Keras 2"
        )
    elif setting.jit == "auto":
        why += " leaves jit_compile as it is"
    else:
        why += f" says jit_compile={'True' if setting.jit == 'on' else 'False'}"
    return Fact(decided[0], setting.spot, why)


def happened_or_not(name, yes, no):
    """A fact that is true where something has happened, false where it cannot have."""

    def conclude(con):
        happened = con.run.happened(name)
        if happened == YES:
            return Fact("true", con.notes.places.get(name) or first_use(con), yes)
        if happened == NO and not con.notes.unseen and con.run.happened("tensorflow") == YES:
            return Fact("false", con.notes.tensorflow[0] if con.notes.tensorflow else None, no)
        return None

    return conclude


def import_order(con):
    if len(con.run.order["first"]) != 1 or "none" in con.run.order["first"]:
        return None
    (first,) = con.run.order["first"]
    spot = con.notes.places.get("first") or first_use(con)
    return Fact(f"{first}-first", spot, f"{first} is imported first")


def strategy(con):
    models = con.models()
    kinds = {model.in_strategy if model is not None else MAYBE for model in models}
    if len(kinds) != 1 or MAYBE in kinds:
        return None
    inside = kinds == {YES}
    why = (
        "the model is made in a strategy's scope"
        if inside
        else "the model is made outside of any strategy's scope"
    )
    return Fact("true" if inside else "false", models[0].spot, why)


def unsupported_layer(con):
    if con.run.happened("keras 2") != NO:
        return None
    found = [con.support(model) for model in con.models()]
    words = {word for word, _ in found}
    if words == {"no"}:
        return Fact("true", found[0][1].spot, f"{found[0][1].what} declares supports_jit=False")
    if words == {"yes"}:
        return Fact("false", con.models()[0].spot, "all layers support jit")
    return None


def run_eagerly(con):
    kinds = {setting.eager for setting in con.settings}
    if len(kinds) != 1 or None in kinds:
        return None
    eager = kinds == {True}
    why = "compile(run_eagerly=True)" if eager else "compile() does not ask for run_eagerly"
    return Fact("true" if eager else "false", con.settings[0].spot, why)


def determinism(con):
    state = con.determinism()
    if state == "yes" and con.notes.determinism:
        return Fact("true", con.notes.determinism[0], "op determinism is enabled")
    if state == "no" and con.run.happened("determinism") == NO and con.run.happened("tensorflow") == YES:
        return Fact("false", con.notes.tensorflow[0] if con.notes.tensorflow else None, "nothing enables it")
    return None


_FACTS = (
    ("keras", keras),
    ("jit", jit),
    (
        "custom_ops",
        happened_or_not("custom ops", "operators of ITEX are used", "none of ITEX's operators is used"),
    ),
    ("import_order", import_order),
    ("late_jit", happened_or_not("late jit", "asks for XLA at run time", "nothing asks for XLA at run time")),
    ("strategy", strategy),
    ("unsupported_layer", unsupported_layer),
    ("run_eagerly", run_eagerly),
    ("determinism", determinism),
)
