"""A program that prints nothing any more."""

from __future__ import annotations

from pathlib import Path

from learning_loop_node.trainer.silence import Silence
from tests.clock import ManualClock


def test_it_counts_from_the_last_output(tmp_path: Path):
    clock, log = ManualClock(), tmp_path / "log"
    silence = Silence(log, 60, clock)
    assert not silence.has_lasted()
    clock.advance(59)
    assert not silence.has_lasted()
    log.write_text("up\n")
    assert not silence.has_lasted()
    clock.advance(59)
    assert not silence.has_lasted()
    clock.advance(1)
    assert silence.has_lasted()


def test_a_program_that_never_said_anything(tmp_path: Path):
    clock = ManualClock()
    silence = Silence(tmp_path / "log", 60, clock)
    assert not silence.has_lasted()
    clock.advance(60)
    assert silence.has_lasted()


def test_without_a_limit_it_may_last_for_ever(tmp_path: Path):
    clock = ManualClock()
    silence = Silence(tmp_path / "log", 0, clock)
    assert not silence.has_lasted()
    clock.advance(1e6)
    assert not silence.has_lasted()
