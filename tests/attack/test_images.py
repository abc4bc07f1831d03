"""Hostile images: refused with a reason, or decoded to Pillow's pixels; in bounded time and memory."""

from __future__ import annotations

import re

import pytest

from .confined import Outcome, run_confined
from .images import CORPUS, Hostile, truncated

SLOWEST_S = 2.0
GROWTH_OF_LARGE_MIB = 800.0
LONGEST_REASON = 400

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def outcomes(is_long: bool) -> dict[str, Outcome]:
    return run_confined("images", 5000 if is_long else 700, within_s=800 if is_long else 55)


@pytest.mark.parametrize("hostile", [*CORPUS, *truncated()], ids=lambda hostile: hostile.name)
def test_hostile_image(hostile: Hostile, outcomes: dict[str, Outcome]):
    outcome = outcomes[hostile.name]
    assert_unharmed(outcome, growth_mib=GROWTH_OF_LARGE_MIB)
    if hostile.refused:
        assert re.search(hostile.refused, outcome.refused), outcome
    else:
        assert outcome.refused == ""


def test_mutated_images(outcomes: dict[str, Outcome]):
    mutated = [outcome for name, outcome in outcomes.items() if name.startswith("mutation")]
    for outcome in mutated:
        assert_unharmed(outcome, growth_mib=300)
    decoded = [outcome for outcome in mutated if not outcome.refused]
    assert len(mutated) / 10 < len(decoded) < len(mutated) * 9 / 10
    assert sum(bool(outcome.peers_refusal) for outcome in decoded) < len(decoded) / 20


def assert_unharmed(outcome: Outcome, *, growth_mib: float) -> None:
    assert outcome.error == ""
    assert outcome.harm == ""
    assert outcome.seconds < SLOWEST_S
    assert outcome.grown_mib < growth_mib, outcome
    assert len(outcome.refused) < LONGEST_REASON
