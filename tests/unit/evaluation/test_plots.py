"""Pictures show what was found out, whatever the names, and however many models and categories there are."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from learning_loop_node.data_classes import Category
from learning_loop_node.errors import SettingError
from learning_loop_node.geometry.precision_recall import precision_recall

pytest.importorskip("matplotlib", reason="needs matplotlib (extra [evaluation])")

from learning_loop_node.evaluation.plots import (
    MOST_PANELS,
    CategoryWorth,
    ModelWorth,
    comparison_figure,
    save,
    worth_of,
)


def worth(name: str, *, right: int = 6, wrong: int = 2, missed: int = 4, average: float = 0.5) -> CategoryWorth:
    scores = np.linspace(0.9, 0.1, right + wrong)
    is_right = np.arange(right + wrong) % 4 != 3
    curve = precision_recall(scores, is_right, right + missed)
    return CategoryWorth(name=name, counts=(right, wrong, missed), average_precision=average, curve=curve)


def model(name: str, *categories: CategoryWorth) -> ModelWorth:
    return ModelWorth(name=name, confidence=0.4, categories=categories)


def axes_of(models: list[ModelWorth]) -> dict[str, Any]:
    """The panels of the picture by the beginning of their titles."""
    figure = comparison_figure(models)
    figure.canvas.draw()
    return {axes.get_title().split(" (")[0]: axes for axes in figure.get_axes() if axes.axison}


def test_a_category_has_a_curve_of_each_model_and_a_dot_where_it_is_believed():
    models = [model("1.0", worth("box")), model("1.1", worth("box", right=9, missed=1))]
    panel = axes_of(models)["box"]
    curves = [line for line in panel.get_lines() if len(line.get_xdata()) > 1]
    dots = [line for line in panel.get_lines() if len(line.get_xdata()) == 1]
    assert [line.get_xdata()[-1] for line in curves] == pytest.approx([0.6, 0.9])
    assert [(dot.get_xdata()[0], dot.get_ydata()[0]) for dot in dots] == [
        pytest.approx((6 / 10, 6 / 8)),
        pytest.approx((9 / 10, 9 / 11)),
    ]


def test_bars_are_as_long_as_what_they_say():
    models = [
        model("1.0", worth("a", average=0.25), worth("b", average=math.nan)),
        model("2.0", worth("a"), worth("b")),
    ]
    panels = axes_of(models)
    assert set(panels) == {"a", "b", "AP50", "F1", "counts"}
    assert [bar.get_width() for bar in panels["AP50"].patches] == [0.25, 0.0, 0.5, 0.5]
    assert panels["AP50"].get_title() == "AP50 (mean 0.25, 0.50)"
    assert [bar.get_width() for bar in panels["F1"].patches] == pytest.approx([12 / 18] * 4)
    assert sorted(bar.get_width() for bar in panels["counts"].patches) == sorted([6, 6, 4, 4, 2, 2] * 2)


def test_categories_that_are_nowhere_are_left_out():
    nowhere = CategoryWorth(name="nowhere", counts=(0, 0, 0), average_precision=math.nan)
    only_wrong = CategoryWorth(name="only wrong", counts=(0, 3, 0), average_precision=math.nan)
    panels = axes_of([model("1.0", worth("a"), nowhere, only_wrong)])
    assert [text.get_text() for text in panels["AP50"].get_yticklabels()] == ["a", "only wrong"]
    assert not {"nowhere", "only wrong"} & set(panels)
    for entries in ((), (nowhere,), (only_wrong,)):
        assert not comparison_figure([model("1.0", *entries)]).get_axes()


def test_the_most_frequent_categories_have_panels_and_all_have_bars():
    entries = [worth(f"c{number}", missed=number) for number in range(MOST_PANELS + 5)]
    panels = axes_of([model("1.0", *entries)])
    assert [name for name in panels if name.startswith("c")][:-1] == [f"c{number}" for number in range(5, 17)]
    assert len(panels["F1"].patches) == MOST_PANELS + 5


@pytest.mark.parametrize("name", ["$", r"a $\frac$ b", "a_b^c", "  two\nlines", "n" * 300, "日本語", "ünïcode"])
def test_every_name_can_be_drawn(tmp_path: Path, name: str):
    save(comparison_figure([model(name, worth(name))], title=name), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert 1000 < image.width < 1600
        assert np.asarray(image.convert("L")).std() > 5


@pytest.mark.parametrize(("name", "start"), [("new/a.PNG", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.pdf", b"%PDF")])
def test_a_picture_is_what_its_name_says(tmp_path: Path, name: str, start: bytes):
    save(comparison_figure([model("1.0", worth("a"))]), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


def test_other_names_are_refused(tmp_path: Path):
    with pytest.raises(SettingError, match=r"must end in \.png, \.svg, \.pdf"):
        save(comparison_figure([model("1.0", worth("a"))]), tmp_path / "a.gif")
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(SettingError, match="cannot be written"):
        save(comparison_figure([model("1.0", worth("a"))]), tmp_path / "file" / "a.png")


@pytest.mark.parametrize(
    ("models", "message"),
    [
        pytest.param([], "no models", id="none"),
        pytest.param([model("1", worth("a")), model("2", worth("b"))], "same categories", id="others"),
    ],
)
def test_what_cannot_be_compared_is_refused(models: list[ModelWorth], message: str):
    with pytest.raises(ValueError, match=message):
        comparison_figure(models)


def test_what_evaluate_found_out_can_be_drawn():
    pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval (extra [evaluation])")
    from learning_loop_node.evaluation.evaluate import evaluate
    from learning_loop_node.evaluation.labels import Found, Truth

    box = np.array([[0.0, 0, 10, 10]])
    truth = Truth(boxes_xyxy=box, classes=np.array([0]))
    found = Found(boxes_xyxy=np.vstack([box, box + 50]), classes=np.array([0, 1]), scores=np.array([0.9, 0.8]))
    evaluation = evaluate([truth], [found], 2, confidence=0.5)
    drawn = worth_of("1.0", evaluation, [Category(id="a", name="a"), Category(id="b", name="b")])
    assert [entry.counts for entry in drawn.categories] == [(1, 0, 0), (0, 1, 0)]
    assert drawn.mean_average_precision == pytest.approx(1.0)
    assert drawn.categories[0].scores == (1.0, 1.0, 1.0)
    assert math.isnan(drawn.categories[1].average_precision)
