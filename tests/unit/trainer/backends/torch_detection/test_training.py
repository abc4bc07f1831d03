"""Trainings, from a plan to a model, on small drawn images."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from learning_loop_node.errors import CriticalError
from learning_loop_node.images import encode_jpeg
from learning_loop_node.trainer.backends.torch_detection.batches import batch_of, images_of, truth_of
from learning_loop_node.trainer.backends.torch_detection.checkpoints import Checkpoint, save_state
from learning_loop_node.trainer.backends.torch_detection.findings import found_in
from learning_loop_node.trainer.backends.torch_detection.plan import Plan, ResultFolder
from learning_loop_node.trainer.backends.torch_detection.training import TrainingProgram, _share_of_rate
from tests.polling import until

from .pictures import BLUE, DOT, RED, plan_of

CPU = torch.device("cpu")


def trained(folder: Path, plan: Plan, device: torch.device = CPU) -> TrainingProgram:
    folder.mkdir(exist_ok=True)
    program = TrainingProgram(plan, folder, device)
    program.train_model()
    return program


def test_learns_a_batch_by_heart(tmp_path: Path):
    categories = [RED, BLUE, DOT]
    program = TrainingProgram(plan_of(tmp_path / "images", drawn=categories, parts="train " * 4), tmp_path, CPU)
    samples = [program.sets.train[index] for index in range(4)]
    batch = batch_of(samples)
    images, truth = images_of(batch, CPU), truth_of(batch, CPU)
    program.model.train()
    first, *_, last = (float(program.optimize(images, truth)) for _ in range(120))
    assert last < first / 5
    outputs = program.family.predict(program.model, images).detach().numpy()
    for sample, output in zip(samples, outputs, strict=True):
        found = found_in(sample, output, categories)
        assert sorted(found.classes[found.scores > 0.5].tolist()) == [0, 1, 2]


def test_leaves_figures_and_a_model(tmp_path: Path):
    program = trained(tmp_path, plan_of(tmp_path / "images", parts="train " * 6 + "val val test"))
    said = json.loads(program.result.metrics.read_bytes())
    assert [entry["epoch"] for entry in said["epochs"]] == [1, 2]
    counts = said["best"]["counts"]
    assert set(counts) == {"id-red", "id-blue"}
    assert counts["id-red"]["tp"] + counts["id-red"]["fn"] == 1, "the counts are those of the test image"
    checkpoint = Checkpoint.load(program.result.best)
    assert checkpoint.class_names == ["red", "blue"]
    assert checkpoint.epoch == said["best"]["epoch"]
    assert checkpoint.confidence == said["best"]["conf_threshold"]


def test_the_same_seed_makes_the_same_model(tmp_path: Path):
    plans = {
        name: plan_of(tmp_path / "images", seed=seed, mosaic=0.5, cutout=0.5)
        for name, seed in (("first", 1), ("second", 1), ("other", 2))
    }
    results = {name: trained(tmp_path / name, plan).result for name, plan in plans.items()}
    hashes = {name: hashlib.sha256(result.best.read_bytes()).hexdigest() for name, result in results.items()}
    assert hashes["first"] == hashes["second"]
    assert hashes["first"] != hashes["other"]
    assert figures(results["first"]) == figures(results["second"])


def test_goes_on_where_it_was_interrupted(tmp_path: Path):
    plan = plan_of(tmp_path / "images", epochs=3)
    whole = trained(tmp_path / "whole", plan)
    (tmp_path / "parts").mkdir()
    interrupted = TrainingProgram(plan, tmp_path / "parts", CPU)
    interrupted._epoch(1)
    interrupted._epoch(2)
    resumed = trained(tmp_path / "parts", plan)
    assert figures(resumed.result) == figures(whole.result)
    for name, value in whole.average.model.state_dict().items():
        torch.testing.assert_close(resumed.average.model.state_dict()[name], value)


@pytest.mark.timeout(300)
async def test_goes_on_after_it_was_killed(tmp_path: Path):
    plan_of(tmp_path / "images", epochs=400, parts="train " * 4 + "val").save(tmp_path)
    result = ResultFolder(tmp_path)
    command = [sys.executable, "-m", "learning_loop_node.trainer.backends.torch_detection.training", str(tmp_path)]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as program:  # noqa: ASYNC220
        await until(lambda: result.metrics.exists() and len(figures(result)) > 2, within_s=200)
        program.send_signal(signal.SIGKILL)
    done = len(figures(result))
    plan = Plan.load(tmp_path)
    plan.hyperparameters["epochs"] = done + 3
    TrainingProgram(plan, tmp_path, CPU).train_model()
    assert [entry["epoch"] for entry in figures(result)] == list(range(1, done + 4))


def test_ends_when_it_does_not_get_better(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    plan = plan_of(tmp_path / "images", epochs=50, patience=2, learning_rate=1e-6)
    program = trained(tmp_path, plan)
    assert len(program.metrics["epochs"]) == program.metrics["best"]["epoch"] + 2
    assert "for 2 epochs; this is enough" in caplog.text
    again = trained(tmp_path, plan)
    assert len(again.metrics["epochs"]) == len(program.metrics["epochs"])


def test_a_category_without_labels_is_never_found(tmp_path: Path):
    program = trained(tmp_path, plan_of(tmp_path / "images", drawn=[RED], categories=[RED, BLUE]))
    assert program.sets.unlabelled == [1]
    model = Checkpoint.load(program.result.best).build()
    with torch.no_grad():
        output = program.family.predict(model, torch.rand(2, 3, 64, 64))
    assert output[:, 5].max() < 1e-6
    assert program.metrics["best"]["counts"]["id-blue"] == {"tp": 0, "fp": 0, "fn": 0}


def test_without_any_labels_nothing_is_found(tmp_path: Path):
    program = trained(tmp_path, plan_of(tmp_path / "images", drawn=[], categories=[RED]))
    assert program.metrics["best"]["map50"] == 0
    assert program.metrics["best"]["counts"] == {"id-red": {"tp": 0, "fp": 0, "fn": 0}}


def test_images_of_extreme_sizes_are_trained_with(tmp_path: Path):
    plan = plan_of(tmp_path / "images")
    for record, (width, height) in zip(plan.images, [(1, 1), (1000, 1), (1, 1000)], strict=False):
        pixels = np.zeros((height, width, 3), np.uint8)
        (tmp_path / "images" / f"{record['id']}.jpg").write_bytes(encode_jpeg(pixels))
        record |= {"width": width, "height": height}
        record["box_annotations"] = [{"x": 0, "y": 0, "width": width, "height": height, "category_id": "id-red"}]
    program = trained(tmp_path, plan)
    assert all(entry["loss"] < 1000 for entry in program.metrics["epochs"])


def test_goes_on_from_a_base_model_with_other_categories(tmp_path: Path):
    base = trained(tmp_path / "base", plan_of(tmp_path / "images", drawn=[RED, BLUE])).result.best
    plan = plan_of(tmp_path / "images", drawn=[DOT, BLUE], base_model=str(base))
    (tmp_path / "next").mkdir()
    program = TrainingProgram(plan, tmp_path / "next", CPU)
    old, new = Checkpoint.load(base).weights, program.model.state_dict()
    by_class = set(program.family.class_parameters(program.model))
    assert by_class
    for name, value in new.items():
        if name in by_class:
            torch.testing.assert_close(value[1], old[name][1], msg="blue is known")
            assert not torch.equal(value[0], old[name][0]), "dots are new"
        else:
            assert torch.equal(value, old[name])


def test_goes_on_from_a_base_model_of_another_size(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    base = trained(tmp_path / "base", plan_of(tmp_path / "images")).result.best
    (tmp_path / "next").mkdir()
    TrainingProgram(plan_of(tmp_path / "images", base_model=str(base), variant="small"), tmp_path / "next", CPU)
    assert "the base model gives" in caplog.text


def harmful(_: Any) -> None:
    raise AssertionError("something in a file was executed")


class Harmful:
    def __reduce__(self) -> Any:
        return harmful, (0,)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param(b"", "cannot be read as a model", id="empty"),
        pytest.param(b"nothing of ours", "cannot be read as a model", id="another file"),
        pytest.param({"a": 1}, "is no model of this trainer", id="another dictionary"),
        pytest.param([1], "it holds a list", id="a list"),
        pytest.param({"a": Harmful()}, "cannot be read as a model", id="code"),
        pytest.param({"format": "torch_detection 1"}, "is damaged: .*size", id="incomplete"),
    ],
)
def test_files_that_are_no_models(tmp_path: Path, content: Any, text: str):
    file = tmp_path / "checkpoint.pt"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif isinstance(content, dict):
        save_state(file, content)
    else:
        torch.save(content, file)
    with pytest.raises(CriticalError, match=text):
        Checkpoint.load(file)


def test_no_training_image_can_be_read(tmp_path: Path):
    plan = plan_of(tmp_path / "images", parts="train val")
    (tmp_path / "images" / "i-0.jpg").unlink()
    with pytest.raises(CriticalError, match="none of the training images can be read"):
        TrainingProgram(plan, tmp_path, CPU)


def test_a_loss_that_is_no_number_is_told(tmp_path: Path):
    program = TrainingProgram(plan_of(tmp_path / "images"), tmp_path, CPU)
    with torch.no_grad():
        next(program.model.parameters()).fill_(float("nan"))
    with pytest.raises(CriticalError, match="lower learning_rate"):
        program.train_model()


def test_says_what_it_leaves_out(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    plan = plan_of(tmp_path / "images", epoch=3)
    plan.categories[1].type = "segmentation"
    try:
        TrainingProgram(plan, tmp_path, CPU)
    finally:
        plan.categories[1].type = "box"
    assert "not known and left out: epoch (is epochs meant?)" in caplog.text
    assert "neither boxes nor points and left out: blue" in caplog.text


def test_the_learning_rate_rises_and_falls():
    rates = [_share_of_rate(step, 1000) for step in range(1000)]
    assert rates[0] < 0.05
    assert max(rates) == pytest.approx(1, abs=0.01)
    assert rates.index(max(rates)) < 60
    assert rates[-1] == pytest.approx(0.01, abs=0.001)
    assert _share_of_rate(0, 1) > 0


@pytest.mark.parametrize(("given", "expected"), [({}, 4), ({"batch_size": 3}, 3), ({"batch_size": 64}, 6)])
def test_size_of_batches_on_a_cpu(tmp_path: Path, given: dict[str, int], expected: int):
    plan = plan_of(tmp_path / "images", parts="train " * 6 + "val")
    del plan.hyperparameters["batch_size"]
    plan.hyperparameters |= given
    assert TrainingProgram(plan, tmp_path, CPU).batch_size == expected


def test_keeps_the_size_of_its_batches_when_it_goes_on(tmp_path: Path):
    plan = plan_of(tmp_path / "images", batch_size=4)
    program = TrainingProgram(plan, tmp_path, CPU)
    program._epoch(1)
    plan.hyperparameters["batch_size"] = 2
    assert TrainingProgram(plan, tmp_path, CPU).batch_size == 4


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_trains_on_a_gpu(tmp_path: Path):
    plan = plan_of(tmp_path / "images", epochs=30, parts="train " * 16 + "val " * 4)
    del plan.hyperparameters["batch_size"]
    program = trained(tmp_path, plan, torch.device("cuda"))
    assert program.metrics["epochs"][-1]["loss"] < program.metrics["epochs"][0]["loss"]


def figures(result: ResultFolder) -> list[dict[str, Any]]:
    """Of each epoch, without how long it took."""
    told = json.loads(result.metrics.read_bytes())["epochs"]
    return [{name: value for name, value in entry.items() if "second" not in name} for entry in told]
