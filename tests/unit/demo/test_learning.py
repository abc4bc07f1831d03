"""What the learning demo makes of what it saw: choice, verdict, table, pictures."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

pytest.importorskip("cv2", reason="needs OpenCV (extra [demo])")
pytest.importorskip("onnxruntime", reason="needs ONNX Runtime (extra [onnx])")
pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval (extra [evaluation])")

from learning_loop_node.client.images import ImageRecord
from learning_loop_node.client.trainings import TrainingEntry, TrainingMetric
from learning_loop_node.data_classes import BoxDetection, ImageMetadata, PointDetection
from learning_loop_node.demo.learning.choice import choose, doubt
from learning_loop_node.demo.learning.curve import draw_learning_curve
from learning_loop_node.demo.learning.plan import LearningPlan
from learning_loop_node.demo.learning.report import as_json, judge, print_turn, table_of
from learning_loop_node.demo.learning.score import CategoryScore, Score
from learning_loop_node.demo.learning.sheet import draw_sheet
from learning_loop_node.demo.learning.wheel import Lesson, Turn
from learning_loop_node.demo.learning.world import World

PLAN = LearningPlan(first=4, test=2, held_out=6, met=8, budget=3)


class TestChoice:
    def test_the_most_doubtful_images_first(self):
        records = [record("sure", 0.99), record("torn", 0.5), record("many", 0.9, 0.9, 0.9), record("empty")]
        assert [one.id for one in choose(records, 2)] == ["many", "torn"]

    def test_not_more_than_there_are(self):
        assert len(choose([record("one", 0.4)], 10)) == 1

    @pytest.mark.parametrize(("confidence", "bits"), [(0.5, 1.0), (1.0, 0.0), (0.0, 0.0), (0.11, 0.4999)])
    def test_doubt_is_entropy(self, confidence: float, bits: float):
        assert doubt(record("one", confidence).data) == pytest.approx(bits, abs=1e-4)

    def test_points_count_as_well(self):
        assert doubt({"point_detections": [{"confidence": 0.5}], "box_detections": None}) == 1


class TestVerdict:
    def test_a_turn_that_made_a_better_model(self):
        assert judge(turn()).adds_up

    @pytest.mark.parametrize(
        ("changes", "claim"),
        [
            ({"scores": (0.5, 0.7)}, "the first model has learnt something"),
            ({"scores": (0.7, 0.7)}, "the second model is better on the same held-out images"),
            ({"chosen": 0}, "the detector met new images, and kept those that it was unsure of"),
            ({"answered": "1.0"}, "the loop has deployed the second model by itself, and the detector answers with it"),
        ],
    )
    def test_what_does_not_hold_is_named(self, changes: dict[str, Any], claim: str):
        verdict = judge(turn(**changes))
        assert [check.claim for check in verdict.checks if not check.holds] == [claim]

    def test_table_and_json_tell_both_models(self):
        told = turn()
        console = Console(file=StringIO(), width=120)
        print_turn(console, told)
        console.print(table_of(told))
        assert isinstance(console.file, StringIO)
        text = console.file.getvalue()
        assert "model 1.1  7 labelled images, 20 s of training, going on from 1.0" in text
        assert "mAP50" in text
        assert "0.650" in text
        assert "0.720" in text
        report = as_json(told, judge(told), {"learning_curve": Path("curve.png")})
        assert [model["map50"] for model in report["models"]] == [0.65, 0.72]
        assert report["learning_curve"] == "curve.png"


class TestPictures:
    def test_the_learning_curve(self, tmp_path: Path):
        draw_learning_curve(turn(), tmp_path / "curve.png")
        with Image.open(tmp_path / "curve.png") as picture:
            assert picture.width > 1000
            assert len(set(picture.convert("L").resize((64, 32)).tobytes())) > 10

    def test_the_sheet_has_truth_and_both_models(self, tmp_path: Path):
        world, told = World(PLAN), turn()
        scores = [lesson.score for lesson in told.lessons]
        draw_sheet(world.held_out, scores, ["1.0", "1.1"], world.categories, tmp_path / "sheet.png")
        with Image.open(tmp_path / "sheet.png") as sheet:
            assert sheet.width > 3 * world.recipe.size[0]
            assert sheet.height > PLAN.held_out * world.recipe.size[1]


class TestWorld:
    def test_is_the_same_for_the_same_seed_and_another_for_another(self):
        first, again, other = (World(replace(PLAN, seed=seed)).first for seed in (1, 1, 2))
        assert [shot.jpeg for shot in first] == [shot.jpeg for shot in again]
        assert first[0].jpeg != other[0].jpeg

    def test_no_image_is_in_two_parts(self):
        world = World(PLAN)
        shots = [shot.jpeg for part in (world.first, world.test, world.held_out, world.met) for shot in part]
        assert len(set(shots)) == len(shots) == PLAN.first + PLAN.test + PLAN.held_out + PLAN.met

    def test_labels_are_what_a_loop_takes(self):
        labels = [label for shot in World(PLAN).met for kind in shot.labels().values() for label in kind]
        assert labels
        assert all({"category_id", "category_name", "x", "y"} <= set(label) for label in labels)


def record(image_id: str, *confidences: float) -> ImageRecord:
    return ImageRecord(id=image_id, data={"box_detections": [{"confidence": one} for one in confidences]})


def turn(*, scores: tuple[float, float] = (0.65, 0.72), chosen: int = 3, answered: str = "1.1", kept: int = 5) -> Turn:
    return Turn(
        plan=PLAN,
        lessons=(lesson("1.0", scores[0], 4), lesson("1.1", scores[1], 7, base="1.0")),
        met=PLAN.met,
        kept=kept,
        chosen=chosen,
        causes={"uncertain": 4, "novel": 1},
        deployed="1.1",
        answered=answered,
        seconds=60,
    )


def lesson(version: str, map50: float, labelled: int, base: str | None = None) -> Lesson:
    entry = {"number": 1, "id": "a", "state": "finished", "model_variant": "nano", "created": "2026-01-01"}
    return Lesson(
        training=TrainingEntry(**entry, base_model=None if base is None else _Base(base)),  # type: ignore[arg-type]
        metrics=[
            TrainingMetric(moment="", epoch=epoch, confusion_matrix={"crate": {"tp": epoch, "fp": 2, "fn": 3}})
            for epoch in (1, 4, 9)
        ],
        version=version,
        labelled=labelled,
        seconds=20,
        score=score(map50),
        decision="deployed",
    )


class _Base:
    def __init__(self, version: str) -> None:
        self.version = version


def score(map50: float) -> Score:
    box = BoxDetection(
        category_name="crate", category_id="crate", x=5, y=5, width=40, height=30, model_name="1", confidence=0.8
    )
    point = PointDetection(category_name="marker", category_id="marker", x=50, y=50, model_name="1", confidence=0.7)
    rows = {name: CategoryScore(ap50=map50, precision=0.8, recall=0.7, f1=None) for name in ("crate", "marker")}
    rng = np.random.default_rng(int(map50 * 100))
    return Score(
        map50=map50,
        map50_95=map50 / 2,
        macro_f1=0.6,
        confidence=0.3,
        categories=rows,
        seen=[ImageMetadata(box_detections=[box], point_detections=[point])] * PLAN.held_out,
        right=rng.integers(0, 4, PLAN.held_out).tolist(),
        mistakes=rng.integers(0, 4, PLAN.held_out).tolist(),
    )
