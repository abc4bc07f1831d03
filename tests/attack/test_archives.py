"""Hostile archives: refused with nothing touched, or unpacked as they should be; in bounded time and memory."""

from __future__ import annotations

import re

import pytest

from .archives import CORPUS, TRUNCATED, Hostile
from .confined import Outcome, run_confined

SLOWEST_S = 2.0
GROWTH_MIB = 64.0
LONGEST_REASON = 400

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def outcomes(is_long: bool) -> dict[str, Outcome]:
    return run_confined("archives", 20_000 if is_long else 400, within_s=800 if is_long else 55)


@pytest.mark.parametrize("hostile", [*CORPUS, *TRUNCATED], ids=lambda hostile: hostile.name)
def test_hostile_archive(hostile: Hostile, outcomes: dict[str, Outcome]):
    outcome = outcomes[hostile.name]
    assert_unharmed(outcome)
    if hostile.refused:
        assert re.search(hostile.refused, outcome.refused), outcome
    else:
        assert (outcome.refused, outcome.files) == ("", list(hostile.files))


def test_mutated_archives(outcomes: dict[str, Outcome]):
    mutated = [outcome for name, outcome in outcomes.items() if name.startswith("mutation")]
    for outcome in mutated:
        assert_unharmed(outcome)
        assert outcome.refused or outcome.files
    assert sum(bool(outcome.files) for outcome in mutated) > 10  # not all are refused for the same first thing
    assert len({re.sub(r"\d+|'.*?'", "", outcome.refused) for outcome in mutated}) > 10


def assert_unharmed(outcome: Outcome) -> None:
    assert outcome.error == ""
    assert outcome.harm == ""
    assert outcome.seconds < SLOWEST_S
    assert outcome.grown_mib < GROWTH_MIB
    assert len(outcome.refused) < LONGEST_REASON
