"""What the demo prints in the end, for people and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..verdict import Check, Verdict
from .wheel import Lesson, Turn

LEAST_FIRST_MAP50 = 0.60
"""What the first model must be worth at least; below that, there is nothing to build on."""


def judge(turn: Turn) -> Verdict:
    """Whether the wheel has turned: each thing that must hold, in words and numbers."""
    first, second = turn.lessons
    return Verdict(
        [
            Check(
                "the first model has learnt something",
                f"held-out mAP50 {first.score.map50:.3f}, at least {LEAST_FIRST_MAP50:.2f}",
                first.score.map50 >= LEAST_FIRST_MAP50,
            ),
            Check(
                "the detector met new images, and kept those that it was unsure of",
                f"{turn.kept} of {turn.met} kept ({_causes(turn)}), {turn.chosen} labelled",
                0 < turn.chosen <= turn.kept <= turn.met,
            ),
            Check(
                "the second model is better on the same held-out images",
                f"mAP50 {first.score.map50:.3f} -> {second.score.map50:.3f}",
                turn.is_better,
            ),
            Check(
                "the loop has deployed the second model by itself, and the detector answers with it",
                f"deployed {turn.deployed}, answering {turn.answered}",
                turn.deployed == turn.answered == second.version,
            ),
        ]
    )


def table_of(turn: Turn) -> Table:
    """What both models are worth, a row for each category."""
    first, second = turn.lessons
    table = Table(
        title=f"Both models on the same {turn.plan.held_out} held-out images",
        title_justify="left",
        header_style="bold",
    )
    table.add_column("category")
    for name in ("AP50", "precision", "recall", "F1"):
        table.add_column(f"{name} {first.version}", justify="right")
        table.add_column(second.version, justify="right")
    for name in first.score.categories:
        former, latter = first.score.categories[name], second.score.categories[name]
        table.add_row(
            name,
            *_pair(former.ap50, latter.ap50),
            *_pair(former.precision, latter.precision),
            *_pair(former.recall, latter.recall),
            *_pair(former.f1, latter.f1),
        )
    table.add_section()
    table.add_row("mAP50", *_pair(first.score.map50, second.score.map50), *[""] * 6)
    table.add_row("mAP50-95", *_pair(first.score.map50_95, second.score.map50_95), *[""] * 6)
    return table


def print_turn(console: Console, turn: Turn) -> None:
    """How each model came about, in a line."""
    for lesson in turn.lessons:
        parent = lesson.training.base_model.version if lesson.training.base_model else None
        text = f"model {lesson.version}  {lesson.labelled} labelled images, {lesson.seconds:.0f} s of training"
        console.print(Text(text + (f", going on from {parent}" if parent else "")), soft_wrap=True)


def as_json(turn: Turn, verdict: Verdict, places: Mapping[str, object]) -> dict[str, Any]:
    """The same for scripts."""
    return {
        "adds_up": verdict.adds_up,
        "checks": [{"claim": check.claim, "numbers": check.numbers, "holds": check.holds} for check in verdict.checks],
        "models": [_lesson(lesson) for lesson in turn.lessons],
        "met": turn.met,
        "kept": turn.kept,
        "labelled": turn.chosen,
        "causes": turn.causes,
        "seconds": round(turn.seconds, 1),
    } | {name: str(place) for name, place in places.items()}


def _lesson(lesson: Lesson) -> dict[str, Any]:
    return {
        "version": lesson.version,
        "labelled_images": lesson.labelled,
        "seconds": round(lesson.seconds, 1),
        "map50": lesson.score.map50,
        "map50_95": lesson.score.map50_95,
        "decision": lesson.decision,
        "categories": {
            name: {"ap50": row.ap50, "precision": row.precision, "recall": row.recall, "f1": row.f1}
            for name, row in lesson.score.categories.items()
        },
    }


def _pair(former: float | None, latter: float | None) -> tuple[str, Text]:
    """Two numbers side by side; the second is green where it is larger, red where it is smaller."""
    if former is None or latter is None:
        return _number(former), Text(_number(latter))
    style = "green" if latter > former else "red" if latter < former else ""
    return _number(former), Text(_number(latter), style)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _causes(turn: Turn) -> str:
    return ", ".join(f"{count} {cause}" for cause, count in sorted(turn.causes.items())) or "no cause"
