"""Statements: each function walks one kind and returns a flow, None where the next statement follows."""

from __future__ import annotations

import ast

from . import calls, expressions, imports
from .interpreter import (
    BREAK,
    CONTINUE,
    EXIT,
    MOST_STATES,
    RAISE,
    RETURN,
    Catching,
    Frame,
    Leaves,
    Loop,
    Scope,
)
from .values import (
    ABSENT,
    NONE,
    UNKNOWN,
    Constant,
    External,
    Function,
    Mapping,
    Product,
    Sequence,
    Strategy,
    options_of,
    truth,
)
from .values import (
    Scope as StrategyScope,
)
from .world import MAYBE, NO, YES

MOST_UNROLLED = 16


def walk_body(run, body):
    """The statements in order, until one leaves."""
    tail, last = run.tail, len(body) - 1
    try:
        for number, statement in enumerate(body):
            run.tail = tail and number == last
            flow = walk(run, statement)
            if flow is not None:
                return flow
    finally:
        run.tail = tail
    return None


def walk(run, statement):
    run.step()
    handler = _STATEMENTS.get(type(statement))
    if handler is None:
        return None
    try:
        return handler(run, statement)
    except Leaves as leaves:
        run.note_exception(leaves)
        return leaves.flow


def walk_module(run, module, units):
    """A module's own statements, in a frame of its own. What leaves it by an exception leaves the importer
    too.
    """
    frame = Frame(Scope(module, None, module.table), None)
    run.frames.append(frame)
    before, tail = run.certain, run.tail
    try:
        for number, unit in enumerate(units):
            frame.unit = unit
            run.tail = tail and module.main and number == len(units) - 1
            if unit.tree is None:
                gap(run, unit)
                continue
            flow = walk_body(run, unit.tree.body)
            if flow in (RAISE, EXIT):
                if unit.cell is None:
                    return flow
                run.certain = False  # a person runs the next cell all the same
    finally:
        run.frames.pop()
        run.certain, run.tail = before, tail
    return None


def gap(run, unit):
    """A cell that does not parse: what it was meant to do is not known, and may be mended and run."""
    place = ast.copy_location(ast.Pass(), ast.Pass(lineno=1, col_offset=0, end_lineno=1, end_col_offset=0))
    run.unseen(
        "a cell that does not parse", place, own=True, environment=imports.may_set_variables(unit.text)
    )


# ---- Simple statements ------------------------------------------------------------------------------


def expression(run, node):
    run.tail_call = tail_call(node.value) if run.tail else None
    expressions.evaluate(run, node.value)


def tail_call(node):
    """f(), or the main() of sys.exit(main()): what it does is the last that the script does."""
    if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "exit":
        return node.args[0] if len(node.args) == 1 else None
    return node if isinstance(node, ast.Call) else None


def assignment(run, node):
    value = expressions.evaluate(run, node.value)
    for target in node.targets:
        expressions.assign(run, target, value)


def annotated(run, node):
    if node.value is not None:
        expressions.assign(run, node.target, expressions.evaluate(run, node.value))


def augmented(run, node):
    as_load = load_of(node.target)
    operation = ast.copy_location(ast.BinOp(left=as_load, op=node.op, right=node.value), node)
    if isinstance(node.op, ast.BitOr):
        left = expressions.evaluate(run, as_load)
        if left == External("os.environ"):
            arguments = calls.Arguments([expressions.evaluate(run, node.value)])
            calls.call(run, External("os.environ.update"), arguments, node)
            return
    if isinstance(node.op, ast.Add):
        left = expressions.evaluate(run, as_load)
        if isinstance(left, Sequence):
            arguments = calls.Arguments([expressions.evaluate(run, node.value)])
            calls.call_method(run, left, "extend", arguments, node)
            return
    expressions.assign(run, node.target, expressions.evaluate(run, operation))


def load_of(target):
    """The target of an augmented assignment as an expression that reads it."""
    if isinstance(target, ast.Name):
        return ast.copy_location(ast.Name(id=target.id, ctx=ast.Load()), target)
    if isinstance(target, ast.Attribute):
        return ast.copy_location(ast.Attribute(value=target.value, attr=target.attr, ctx=ast.Load()), target)
    if isinstance(target, ast.Subscript):
        return ast.copy_location(
            ast.Subscript(value=target.value, slice=target.slice, ctx=ast.Load()), target
        )
    return target


def deletion(run, node):
    for target in node.targets:
        expressions.delete(run, target)


def returning(run, node):
    frame = run.frame
    frame.results.append(expressions.evaluate(run, node.value) if node.value is not None else NONE)
    frame.returns.append(run.world.changes_since(frame.depth))
    frame.returned = True
    return RETURN


def raising(run, node):
    if node.exc is not None:
        expressions.evaluate(run, node.exc)
    raise Leaves(RAISE, exception_name(node.exc))


def exception_name(node):
    if isinstance(node, ast.Call):
        node = node.func
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", None)


def breaking(run, node):
    frame = run.frame
    if frame.loops:
        frame.loops[-1].breaks.append(run.world.changes_since(frame.loops[-1].whole))
    frame.skipped = True
    return BREAK


def continuing(run, node):
    frame = run.frame
    if frame.loops:
        frame.loops[-1].continues.append(run.world.changes_since(frame.loops[-1].turn))
    frame.skipped = True
    return CONTINUE


def asserting(run, node):
    expressions.evaluate(run, node.test)


def names_of_module(run, node):
    for name in node.names:
        run.frame.scope.elsewhere[name] = run.frame.scope.module.table


def names_of_outer(run, node):
    for name in node.names:
        scope = run.frame.scope.parent
        while scope is not None and name not in scope.table:
            scope = scope.parent
        if scope is not None:
            run.frame.scope.elsewhere[name] = scope.table


# ---- Definitions ------------------------------------------------------------------------------------


def function_definition(run, node):
    frame = run.frame
    # A class's names are not seen from its functions.
    scope = frame.scope.parent if frame.owner is not None else frame.scope
    function = Function(node, frame.scope.module, frame.unit, scope, frame.owner)
    capture(run)
    run.functions.append(function)
    run.events += 1
    function.defaults = defaults_of(run, node.args)
    value = function
    for decorator in reversed(node.decorator_list):
        value = calls.decorated(run, decorator, value)
    run.bind(node.name, value)


def capture(run):
    """A function is made here: the names of the functions around it live on with it."""
    for frame in run.frames:
        if not frame.captured:
            frame.captured = True
            run.world.version += 1


def defaults_of(run, arguments):
    positional = arguments.posonlyargs + arguments.args
    defaults = {}
    for argument, default in zip(positional[len(positional) - len(arguments.defaults) :], arguments.defaults):
        defaults[argument.arg] = expressions.evaluate(run, default)
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults):
        if default is not None:
            defaults[argument.arg] = expressions.evaluate(run, default)
    return defaults


def class_definition(run, node):
    bases = [expressions.evaluate(run, base) for base in node.bases]
    for keyword in node.keywords:
        expressions.evaluate(run, keyword.value)
    cls = calls.new_class(run, node, bases)
    outer = run.frame
    frame = Frame(Scope(outer.scope.module, outer.scope, cls.table), outer.unit, depth=outer.depth)
    frame.owner = cls
    run.frames.append(frame)
    try:
        flow = walk_body(run, node.body)
    finally:
        run.frames.pop()
    if flow in (RAISE, EXIT):
        raise Leaves(flow)
    value = cls
    for decorator in reversed(node.decorator_list):
        value = calls.decorated(run, decorator, value)
    run.bind(node.name, value)


# ---- Branches and loops -----------------------------------------------------------------------------


def condition(run, node):
    known = truth(expressions.evaluate(run, node.test))
    if known is not None:
        return walk_body(run, node.body if known else node.orelse)
    return run.either([lambda: walk_body(run, node.body), lambda: walk_body(run, node.orelse)])


def while_loop(run, node):
    known = truth(expressions.evaluate(run, node.test))
    if known is False:
        return walk_body(run, node.orelse)

    def once():
        expressions.evaluate(run, node.test)
        return walk_body(run, node.body)

    return loop(run, once, node.orelse, at_least_once=known is True, ends=known is not True)


def for_loop(run, node):
    iterable = expressions.evaluate(run, node.iter)
    elements = few_elements(run, iterable, node)
    if elements is not None:
        return unrolled(run, node, elements)
    values, at_least_once = expressions.iterate(run, iterable, node.iter)
    if values is None:
        return walk_body(run, node.orelse)

    def once():
        expressions.assign(run, node.target, values)
        return walk_body(run, node.body)

    return loop(run, once, node.orelse, at_least_once, ends=True)


def few_elements(run, iterable, node):
    """The elements of a short list that is known; None where the loop is not to be walked
    element by element.
    """
    if any(isinstance(inner, (ast.Break, ast.Continue)) for inner in ast.walk(node)):
        return None
    elements = None
    if isinstance(iterable, Constant) and isinstance(iterable.value, tuple):
        elements = [Constant(one, iterable.at_hand) for one in iterable.value]
    elif isinstance(iterable, Sequence) and iterable.items.exact and iterable.items.complete:
        elements = [value for value, _ in iterable.items.entries]
    elif (
        isinstance(iterable, Mapping) and iterable.complete and all(sure for _, _, sure in iterable.entries())
    ):
        elements = [Constant(key) for key in iterable.table]
    if elements is None or run.unrolling * max(len(elements), 1) > MOST_UNROLLED:
        return None
    return elements


def unrolled(run, node, elements):
    """The body once for each element, in order."""
    outer, tail = run.unrolling, run.tail
    run.unrolling, run.tail = outer * max(len(elements), 1), False
    try:
        for element in elements:
            expressions.assign(run, node.target, element)
            flow = walk_body(run, node.body)
            if flow is not None:
                return flow
    finally:
        run.unrolling, run.tail = outer, tail
    return walk_body(run, node.orelse)


def loop(run, once, orelse, at_least_once, ends):
    """Walks the body from what was before the loop, then once more from what may be before a later turn.

    at_least_once: it has a first turn. ends: it can end otherwise than by break.
    """
    frame, base, skipped = run.frame, run.certain, run.frame.skipped
    tail, run.tail = run.tail, False
    breaks = []
    run.world.begin()
    run.certain = run.sure() and at_least_once
    ways, flow = turn(run, once, breaks)
    if run.world.join(ways):
        flow = None
        if len(frame.loops) < 2 and widen(run):
            run.certain = False
            later, _ = turn(run, once, breaks)
            run.world.join(later + [nothing_changed(run)])
    done = run.world.take_back(flow is None and ends)
    run.certain, run.tail, frame.skipped = base, tail, skipped
    after = [done] + breaks + ([] if at_least_once else [nothing_changed(run)])
    if not run.world.join(after):
        return flow or EXIT
    if not orelse:
        return None
    return run.either([lambda: walk_body(run, orelse)] + ([lambda: None] if breaks else []), not breaks)


def turn(run, once, breaks):
    """One turn: the ways on to the next one, and the flow that left the loop if there is none."""
    state = Loop(run.world.depth() - 1, run.world.depth(), breaks)
    run.frame.loops.append(state)
    run.world.begin()
    try:
        flow = once()
    except Leaves as leaves:
        run.note_exception(leaves)
        flow = leaves.flow
    finally:
        run.frame.loops.pop()
        way = run.world.take_back(False)
    way.goes_on = flow is None
    ways = state.continues + [way]
    return ways, None if any(one.goes_on for one in ways) else flow


def nothing_changed(run):
    run.world.begin()
    return run.world.take_back(True)


def widen(run):
    """Constants that a turn has changed are unknown in later turns. False if the turn changed nothing that
    was there.
    """
    again = False
    for table, key, before in run.world.journal():
        if before is ABSENT:
            continue
        again = True
        if isinstance(before, Constant) and table.get(key) != before:
            run.write(table, key, UNKNOWN)
    return again


# ---- with, try, match -------------------------------------------------------------------------------


def with_block(run, node):
    left = []
    suppressing = False
    for item in node.items:
        value = expressions.evaluate(run, item.context_expr)
        suppressing = suppressing or value == Product("contextlib.suppress")
        left.append(enter(run, value, item.context_expr))
        if item.optional_vars is not None:
            expressions.assign(run, item.optional_vars, value if isinstance(value, Product) else UNKNOWN)
    ways = [lambda: walk_body(run, node.body)]
    flow = run.either(ways + [lambda: None], True) if suppressing else ways[0]()
    for leave in reversed(left):
        leave()
    return flow


def enter(run, value, node):
    """Enters a context; returns what ends it. Only the scopes of strategies are of interest."""
    kinds = {status_of_scope(option) for option in options_of(value)}
    before = run.status.get("strategy", ABSENT)
    if kinds == {NO} or before == YES:
        return lambda: None
    run.write(run.status, "strategy", YES if kinds == {YES} else MAYBE)
    outer, run.scope_spot = run.scope_spot, run.spot(node)

    def leave():
        run.write(run.status, "strategy", before)
        run.scope_spot = outer

    return leave


def status_of_scope(value):
    if not isinstance(value, StrategyScope):
        return NO
    if isinstance(value.strategy, Strategy):
        return YES if value.strategy.real else NO
    return MAYBE


def try_block(run, node):
    """The body is taken to go through, for a job whose own code fails is not the one that is asked about.

    What may well fail is an import: then the handlers are a way from before it. Else they are one from behind
    the body, so that what they change is seen.
    """
    frame, base = run.frame, run.certain
    outcomes = {imports.outcome(run, statement) for statement in node.body}
    catching = Catching(run.world.depth())
    run.world.begin()
    frame.catching.append(catching)
    run.certain = run.sure() and "unknown" not in outcomes
    try:
        flow = walk_body(run, node.body)
    finally:
        frame.catching.pop()
        body = run.world.take_back(True)
    run.certain = base
    ways = [] if flow == RAISE else [lambda: go_on(run, body, flow, node.orelse)]
    first_is_sure = bool(ways) and "unknown" not in outcomes
    if flow == RAISE or not all(harmless(run, statement) for statement in node.body):
        start = starts_of_handlers(run, catching, "unknown" in outcomes, body, flow)
        for handler in handlers_of(run, node, catching.names if flow == RAISE else []):
            ways.append(lambda handler=handler: handle(run, handler, start))
    result = run.either(ways, first_is_sure or len(ways) == 1) if ways else flow
    last = walk_body(run, node.finalbody)
    return result if last is None else last


def go_on(run, body, flow, orelse):
    run.world.join([body])
    return flow if flow is not None else walk_body(run, orelse)


def starts_of_handlers(run, catching, may_not_begin, body, flow):
    """How the world may be when a handler begins: where the script itself raises, and behind the body.

    may_not_begin: it has an import that may fail, so that it may be left before anything has happened.
    """
    starts = list(catching.states)
    if may_not_begin or len(starts) >= MOST_STATES:
        starts.append(nothing_changed(run))
    if flow != RAISE:
        starts.append(body)
    return starts or [nothing_changed(run)]


def handlers_of(run, node, names):
    """The handlers that are a way on; where it is known what is raised, the first that catches it.

    What catches everything, and has nothing of the script behind it, is there to tell that the job has
    failed.
    """
    handlers = [handler for handler in node.handlers if not only_interrupts(handler)]
    if run.tail:
        handlers = [handler for handler in handlers if not catches_everything(handler)]
    if names and all(name in ("ImportError", "ModuleNotFoundError") for name in names):
        catching = [handler for handler in handlers if catches_imports(handler)]
        return catching[:1]
    return handlers


def caught_names(handler):
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return [exception_name(one) if one is not None else "BaseException" for one in types]


def catches_everything(handler):
    return any(name in ("Exception", "BaseException") for name in caught_names(handler))


def catches_imports(handler):
    known = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
    return any(name in known for name in caught_names(handler))


def only_interrupts(handler):
    """Handlers of what ends a job from outside are no way on."""
    return all(name in ("KeyboardInterrupt", "SystemExit", "GeneratorExit") for name in caught_names(handler))


def handle(run, handler, states):
    for state in states:
        state.goes_on = True
    run.world.join(states)
    if handler.type is not None:
        expressions.evaluate(run, handler.type)
    if handler.name:
        run.bind(handler.name, Product("builtins.Exception"))
    return walk_body(run, handler.body)


def harmless(run, statement):
    """Does the statement go through for certain: an import of what is there, a plain assignment, a
    definition?
    """
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return imports.outcome(run, statement) == "goes through"
    if isinstance(statement, (ast.Pass, ast.FunctionDef, ast.AsyncFunctionDef)):
        return True
    return isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)


def match_block(run, node):
    expressions.evaluate(run, node.subject)
    ways = []
    for case in node.cases:

        def way(case=case):
            for name in ast.walk(case.pattern):
                captured = getattr(name, "name", None) or getattr(name, "rest", None)
                if isinstance(captured, str):
                    run.bind(captured, UNKNOWN)
            if case.guard is not None:
                expressions.evaluate(run, case.guard)
            return walk_body(run, case.body)

        ways.append(way)
    return run.either(ways + [lambda: None])


_STATEMENTS = {
    ast.Expr: expression,
    ast.Assign: assignment,
    ast.AnnAssign: annotated,
    ast.AugAssign: augmented,
    ast.Delete: deletion,
    ast.Return: returning,
    ast.Raise: raising,
    ast.Break: breaking,
    ast.Continue: continuing,
    ast.Assert: asserting,
    ast.Global: names_of_module,
    ast.Nonlocal: names_of_outer,
    ast.FunctionDef: function_definition,
    ast.AsyncFunctionDef: function_definition,
    ast.ClassDef: class_definition,
    ast.If: condition,
    ast.While: while_loop,
    ast.For: for_loop,
    ast.AsyncFor: for_loop,
    ast.With: with_block,
    ast.AsyncWith: with_block,
    ast.Try: try_block,
    ast.Import: lambda run, node: imports.plain(run, node),
    ast.ImportFrom: lambda run, node: imports.from_module(run, node),
}
for _name, _handler in (("TryStar", try_block), ("Match", match_block)):
    if hasattr(ast, _name):
        _STATEMENTS[getattr(ast, _name)] = _handler
