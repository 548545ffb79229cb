"""Over a grid of environments: what the resolver predicts is what ITEX does, and what it decides works."""

from __future__ import annotations

import pytest
from grid import POINTS
from observe import as_decided, disagreement, holds, later, predicted


@pytest.mark.parametrize("point", POINTS, ids=[f"{point.topic}: {point.name}" for point in POINTS])
def test_the_prediction_is_what_is_seen(point, decisions, observations, note):
    decision = decisions[point.name]
    word = predicted(decision)
    seen = observations.of(point).result()
    uneven = holds(decision, "tile-mismatch") or holds(decision, "itex-backend")
    wrong = disagreement(word, seen, later(decision), uneven)
    better = as_decided(point, decision)
    fixed = observations.of(better).result() if better else None
    if better and not wrong:
        wrong = disagreement(decision["mode"], fixed)
        wrong = f"as decided: {wrong}" if wrong else None
    note(
        topic=point.topic,
        name=point.name,
        predicted=word,
        outcome=decision["predicted"]["outcome"],
        rules=[diagnostic["rule"] for diagnostic in decision["diagnostics"]],
        decided=better.name if better else None,
        decided_mode=decision["mode"],
        seen=vars(seen),
        fixed=vars(fixed) if fixed else None,
        wrong=wrong,
    )
    assert not wrong, wrong
