"""What is said about models, as far as it needs no loop."""

from __future__ import annotations

import doctest
from typing import Any

import pytest
from rich.console import Console

from learning_loop_node.cli import model_reports
from learning_loop_node.client.evaluation import CategoryScore, Counts, EvaluatedImages, Evaluation


def evaluation(version: str, average: float | None) -> Evaluation:
    score: dict[str, Any] = {"tp": 2, "fp": 1, "fn": 0, "precision": 2 / 3, "recall": 1.0, "f1": 0.8}
    return Evaluation(
        model_id=version,
        version=version,
        set="test",
        min_confidence=0.0,
        total=Counts(**score),
        images=EvaluatedImages(in_set=2, compared=2, looked_at=2, without_detections=0),
        macro_f1=0.8,
        mean_average_precision=average,
        categories=[CategoryScore(id="f", name="face", type="box", average_precision=average, **score)],
    )


def text(table: object) -> str:
    console = Console(width=120, file=None, record=True, quiet=False)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_examples():
    assert doctest.testmod(model_reports) == (0, 1)


@pytest.mark.parametrize(("average", "shown"), [(0.625, "0.625"), (None, "-")], ids=["known", "from another loop"])
def test_a_model_has_its_average_precision_beside_f1(average: float | None, shown: str):
    lines = text(model_reports._categories(evaluation("1.0", average), 0.75)).splitlines()
    assert "AP75" in lines[1]
    rows = {line.split("│")[1].strip(): line.split("│")[-2].strip() for line in lines if line.startswith("│")}
    assert rows == {"face": shown, "all together": "", "macro F1, mAP75": shown}


def test_two_models_show_how_much_it_changes():
    lines = text(model_reports._side_by_side([evaluation("1.0", 0.5), evaluation("1.1", 0.75)], 0.5)).splitlines()
    [row] = [line for line in lines if "mAP50" in line]
    assert [cell.strip() for cell in row.strip("│").split("│")] == ["mAP50", "0.500", "0.750", "+0.250"]
