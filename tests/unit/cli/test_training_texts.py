"""How trainings are told on a terminal."""

from __future__ import annotations

import doctest
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from learning_loop_node.cli import training_texts
from learning_loop_node.cli.training_texts import (
    PHASES,
    end_text,
    metric_text,
    phase_of,
    state_text,
    tail_of,
    took_text,
)
from learning_loop_node.client.trainings import TrainedModel, TrainerOfTraining, TrainingEntry, TrainingMetric
from learning_loop_node.enums import TrainerState

AT_WORK = TrainerOfTraining(id="t", name="trainer", is_connected=True)


def entry(**changes: Any) -> TrainingEntry:
    values: dict[str, Any] = {"number": 1, "id": "a", "state": "running", "model_variant": "small", "created": ""}
    return TrainingEntry(**values | {"trainer": AT_WORK} | changes)


def test_examples():
    results = doctest.testmod(training_texts)
    assert results.attempted
    assert not results.failed


def test_every_state_of_a_trainer_at_work_has_its_phase():
    without = {"idle", "blocked", "waiting_for_slot", "initialized", "preparing"}
    assert {state for states in PHASES.values() for state in states} == {*TrainerState} - without


@pytest.mark.parametrize(
    ("changes", "phase", "text"),
    [
        pytest.param({"state": "queued"}, "waiting for a trainer", "queued", id="queued"),
        pytest.param({"state": "starting"}, "starting", "starting: starting", id="starting"),
        pytest.param(
            {"trainer_state": "waiting_for_slot"}, "waiting for the GPU", "running: waiting for the GPU", id="no slot"
        ),
        pytest.param({"trainer_state": "running", "progress": 0.5}, "training", "running: training 50%", id="half"),
        pytest.param({"trainer_state": "running"}, "training", "running: training", id="how far is unknown"),
        pytest.param(
            {"trainer_state": "data_downloaded"}, "getting images", "running: done with getting images", id="resting"
        ),
        pytest.param(
            {"trainer_state": "data_downloaded", "errors": {"train": "no"}},
            "getting images",
            "running: about to try again",
            id="after an error",
        ),
        pytest.param(
            {"trainer_state": "data_downloaded", "errors": {"categories": "no eye"}},
            "getting images",
            "running: done with getting images",
            id="something is odd",
        ),
        pytest.param({"state": "failed", "trainer_state": "running"}, "training", "failed", id="over"),
        pytest.param(
            {"trainer_state": "detecting", "trainer": TrainerOfTraining(id="t")},
            "detecting",
            "running: detecting, its trainer is away",
            id="away",
        ),
    ],
)
def test_what_is_being_done(changes: dict[str, Any], phase: str, text: str):
    assert (phase_of(entry(**changes))[0], state_text(entry(**changes))) == (phase, text)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        pytest.param({"state": "finished"}, "training 1 is finished", id="finished"),
        pytest.param(
            {"state": "finished", "model": TrainedModel(id="m", version="1.1", formats=["onnx"])},
            "training 1 is finished; model 1.1 (onnx)",
            id="with a model",
        ),
        pytest.param({"state": "failed", "error": "no images"}, "training 1 failed: no images", id="failed"),
        pytest.param({"state": "aborted"}, "training 1 is aborted", id="aborted"),
        pytest.param({"state": "aborted", "errors": {"train": "a\nb"}}, "training 1 is aborted: train: a b", id="why"),
    ],
)
def test_how_it_ended(changes: dict[str, Any], text: str):
    assert end_text(entry(**changes)) == text


@pytest.mark.parametrize(
    ("epoch", "matrix", "text"),
    [
        pytest.param(None, {}, "best so far: no counts", id="nothing"),
        pytest.param(3, {"a": {"tp": 1, "fp": 0, "fn": 0}}, "epoch 3: macro F1 1.000, face 1.000", id="all right"),
        pytest.param(3, {"b": {"tp": 0, "fp": 1, "fn": 0}}, "epoch 3: b 0.000", id="an unknown category"),
        pytest.param(3, {"a": {"tp": 0, "fp": 0, "fn": 0}}, "epoch 3: no counts", id="a category that is nowhere"),
    ],
)
def test_what_an_epoch_was_worth(epoch: int | None, matrix: dict[str, Any], text: str):
    metric = TrainingMetric(moment="", epoch=epoch, confusion_matrix=matrix)
    assert metric_text(metric, {"a": "face"}) == text


@pytest.mark.parametrize(("seconds", "text"), [(5, "0:05"), (65, "1:05"), (3700, "1:01:40")])
def test_how_long_it_took(seconds: int, text: str):
    start = datetime(2026, 1, 2, tzinfo=UTC)
    ended = (start + timedelta(seconds=seconds)).isoformat()
    assert took_text(entry(started=start.isoformat(), ended=ended)) == text


def test_the_end_of_a_log():
    assert tail_of("") == ""
    assert tail_of("a\nb\nc\n", 2) == "b\nc"
