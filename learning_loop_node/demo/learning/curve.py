"""How the models learnt: epoch by epoch, and with the number of labelled images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...geometry.matching import macro_f1
from .wheel import Turn

SIZE_INCHES = (11.0, 4.6)
DPI = 110
COLORS = ("#7a8699", "#1f77b4")


def draw_learning_curve(turn: Turn, file: Path) -> None:
    """Write the picture as PNG."""
    figure = Figure(figsize=SIZE_INCHES, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    by_epoch, by_labels = figure.subplots(1, 2)
    for lesson, color in zip(turn.lessons, COLORS, strict=True):
        points = [(metric.epoch, _macro_f1(metric.confusion_matrix)) for metric in lesson.metrics]
        known = [(epoch, value) for epoch, value in points if epoch is not None and np.isfinite(value)]
        by_epoch.plot(*zip(*known, strict=True), "o-", color=color, label=f"model {lesson.version}", markersize=4)
    by_epoch.set(xlabel="epoch", ylabel="macro F1", ylim=(0, 1), title="Each better state, on the loop's test images")
    by_epoch.legend(loc="lower right")
    labelled = [lesson.labelled for lesson in turn.lessons]
    for name, values in (
        ("mAP50", [lesson.score.map50 for lesson in turn.lessons]),
        ("mAP50-95", [lesson.score.map50_95 for lesson in turn.lessons]),
    ):
        by_labels.plot(labelled, values, "o-", label=name, color=COLORS[1] if name == "mAP50" else "#2ca02c")
        for count, value, lesson in zip(labelled, values, turn.lessons, strict=True):
            text = f"{lesson.version}: {value:.3f}"
            by_labels.annotate(text, (count, value), textcoords="offset points", xytext=(0, 8), ha="center")
    by_labels.margins(x=0.15)
    by_labels.set(
        xlabel="labelled images",
        ylabel="average precision",
        ylim=(0, 1),
        title=f"On {turn.plan.held_out} images that were held out",
    )
    by_labels.legend(loc="lower right")
    for axes in (by_epoch, by_labels):
        axes.grid(alpha=0.3)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file)


def _macro_f1(confusion: Mapping[str, Any]) -> float:
    rows = [[entry.get(name, 0) for name in ("tp", "fp", "fn")] for entry in confusion.values()]
    return macro_f1(np.array(rows).reshape(-1, 3))
