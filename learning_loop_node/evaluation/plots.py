"""Pictures of what models are worth: precision-recall curves, average precision, F1 and counts, side by side.

Nothing is shown on a screen, and nothing is kept between pictures.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data_classes import Category
from ..errors import MissingExtraError, SettingError
from ..geometry.matching import precision_recall_f1
from ..geometry.precision_recall import PrecisionRecall

if TYPE_CHECKING:
    from .evaluate import Evaluation

try:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator
except ImportError as error:
    raise MissingExtraError(
        "pictures of evaluations are drawn with matplotlib: pip install 'learning-loop-node[evaluation]'"
    ) from error

COLORS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#8c564b", "#e377c2", "#17becf", "#bcbd22", "#d62728", "#7f7f7f")
RIGHT, WRONG, MISSED = "#3a9d5d", "#d9534f", "#c9ced6"
DPI = 110
WIDTH_INCHES, PANEL_INCHES = 11.6, 2.7
FEWEST_COLUMNS, MOST_COLUMNS = 3, 5
MOST_PANELS = 12
"""Of more categories, those that occur most have a curve; bars have all."""

SUFFIXES = (".png", ".svg", ".pdf")
LONGEST_NAME = 22


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CategoryWorth:
    """What a model is worth in one category. `counts` are right, wrong and missed at the confidence of the model.

    `average_precision` is NaN where the category is nowhere; `curve` is None where it is not known.
    """

    name: str
    counts: tuple[int, int, int]
    average_precision: float
    curve: PrecisionRecall | None = None

    @property
    def scores(self) -> tuple[float, float, float]:
        """Precision, recall and F1; NaN where it cannot be said."""
        precision, recall, f1 = precision_recall_f1(np.array(self.counts))[0].tolist()
        return precision, recall, f1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelWorth:
    """What is drawn of a model. `confidence` is that from which on its detections are believed."""

    name: str
    confidence: float
    categories: Sequence[CategoryWorth]

    @property
    def mean_average_precision(self) -> float:
        """Of the categories that are somewhere; NaN if none is."""
        known = [entry.average_precision for entry in self.categories if not math.isnan(entry.average_precision)]
        return float(np.mean(known)) if known else math.nan


def worth_of(name: str, evaluation: Evaluation, categories: Sequence[Category]) -> ModelWorth:
    """The same as what `evaluate` has found out, with the categories of its classes."""
    return ModelWorth(
        name=name,
        confidence=evaluation.confidence,
        categories=[
            CategoryWorth(name=category.name, counts=(right, wrong, missed), average_precision=average, curve=curve)
            for category, (right, wrong, missed), average, curve in zip(
                categories, evaluation.counts.tolist(), evaluation.average.ap50.tolist(), evaluation.curves, strict=True
            )
        ],
    )


def comparison_figure(models: Sequence[ModelWorth], *, title: str = "", measure: str = "AP50") -> Figure:
    """Models on the same images: a curve for each category, then bars of average precision, F1 and counts.

    All models have the same categories in the same order. Categories that are nowhere are left out. `measure` is what
    the average precision is called.
    """
    if not models:
        raise ValueError("there are no models to draw")
    names = [[entry.name for entry in model.categories] for model in models]
    if any(other != names[0] for other in names):
        raise ValueError("the models must have the same categories in the same order")
    places = _places(models)
    shown = _most_frequent(models, places)
    rows = math.ceil(len(shown) / MOST_COLUMNS)
    columns = max(FEWEST_COLUMNS, math.ceil(len(shown) / max(1, rows)))
    bars_inches = 1.6 + 0.22 * len(places) * (1 + len(models))
    figure = Figure(figsize=(WIDTH_INCHES, rows * PANEL_INCHES + bars_inches), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(_plain(title, longest=120), fontsize=12)
    if not shown:
        figure.text(0.5, 0.5, "none of the categories is annotated in these images", ha="center", va="center")
        return figure
    parts: Any = figure.subfigures(2, 1, height_ratios=(rows * PANEL_INCHES, bars_inches))
    above, below = parts
    panels = above.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flatten()
    for panel, place in zip(panels, shown, strict=False):
        draw_curves(panel, models, place)
    for panel in panels[len(shown) :]:
        panel.set_axis_off()
    for panel in panels[max(0, len(shown) - columns) : len(shown)]:
        panel.set_xlabel("recall")
        panel.tick_params(labelbottom=True)
    for panel in panels[::columns]:
        panel.set_ylabel("precision")
    precisions, scores, counts = below.subplots(1, 3, sharey=True)
    draw_bars(precisions, models, places, measure)
    draw_bars(scores, models, places, "F1")
    draw_counts(counts, models, places)
    labels = [_plain(models[0].categories[place].name) for place in places]
    precisions.set_yticks(range(len(places)), labels)
    precisions.set_ylim(len(places) - 0.4, -0.6)
    handles = precisions.get_legend_handles_labels()
    below.legend(*handles, loc="outside upper center", ncols=min(5, len(models)), frameon=False)
    return figure


def draw_curves(axes: Any, models: Sequence[ModelWorth], place: int) -> None:
    """The precision-recall curves of one category; a dot where the detections of a model begin to be believed."""
    for number, model in enumerate(models):
        entry = model.categories[place]
        color = COLORS[number % len(COLORS)]
        label = f"{_plain(model.name)}: {_number(entry.average_precision)}"
        recall, precision = _line(entry.curve)
        axes.plot(recall, precision, color=color, linewidth=1.6, label=label, drawstyle="steps-pre")
        believed, found, _ = entry.scores
        if not math.isnan(believed) and not math.isnan(found):
            axes.plot([found], [believed], "o", color=color, markersize=5, markeredgecolor="white", zorder=3)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.05))
    axes.set_title(_plain(models[0].categories[place].name), fontsize=10)
    axes.legend(loc="best", fontsize=8, framealpha=0.8)
    _tidy(axes)


def draw_bars(axes: Any, models: Sequence[ModelWorth], places: Sequence[int], measure: str) -> None:
    """One group of bars for each category: its F1, or its average precision under any other name."""
    height = 0.8 / len(models)
    for number, model in enumerate(models):
        entries = [model.categories[place] for place in places]
        values = [entry.scores[2] if measure == "F1" else entry.average_precision for entry in entries]
        rows = np.arange(len(places)) + (number - (len(models) - 1) / 2) * height
        color = COLORS[number % len(COLORS)]
        axes.barh(rows, np.nan_to_num(values), 0.9 * height, color=color, label=_plain(model.name))
        for row, value in zip(rows.tolist(), values, strict=True):
            axes.text(0.01 + (0 if math.isnan(value) else value), row, _number(value), va="center", fontsize=7)
    means = ", ".join(_number(_mean(model, places, measure)) for model in models)
    axes.set_title(f"{measure} (mean {means})", fontsize=10)
    axes.set(xlim=(0, 1.12), xticks=np.linspace(0, 1, 6))
    _tidy(axes)


def draw_counts(axes: Any, models: Sequence[ModelWorth], places: Sequence[int]) -> None:
    """What was right, wrong and missed in each category, model below model."""
    height = 0.8 / len(models)
    for number, model in enumerate(models):
        counts = np.array([model.categories[place].counts for place in places])
        rows = np.arange(len(places)) + (number - (len(models) - 1) / 2) * height
        starts = np.zeros(len(places))
        for part, color, label in ((0, RIGHT, "right"), (2, MISSED, "missed"), (1, WRONG, "wrong")):
            known = label if number == 0 else None
            axes.barh(rows, counts[:, part], 0.9 * height, left=starts, color=color, label=known)
            starts = starts + counts[:, part]
    axes.set_title("counts", fontsize=10)
    longest = max(sum(model.categories[place].counts) for model in models for place in places)
    axes.set_xlim(0, 1.4 * longest)  # the legend is beside the bars
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper right", fontsize=8, framealpha=0.8)
    _tidy(axes)


def save(figure: Figure, file: Path) -> None:
    """Write a picture as what the name of the file says; folders are made. `SettingError` if that fails."""
    check_name(file)
    content = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)  # a box is drawn in its place
        figure.savefig(content, format=file.suffix.lower()[1:])
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.getvalue())
    except OSError as error:
        raise SettingError(f"the picture cannot be written: {error}") from error


def check_name(file: Path) -> None:
    """`SettingError` if this is no name for a picture."""
    if file.suffix.lower() not in SUFFIXES:
        raise SettingError(f"{file}: the name of a picture must end in {', '.join(SUFFIXES)}")


def _places(models: Sequence[ModelWorth]) -> list[int]:
    """The categories that are somewhere, or that somebody believes to have found."""
    columns = zip(*(model.categories for model in models), strict=True)
    return [place for place, entries in enumerate(columns) if any(sum(entry.counts) for entry in entries)]


def _most_frequent(models: Sequence[ModelWorth], places: Sequence[int]) -> list[int]:
    """Those that have a panel, in their order."""

    def frequency(place: int) -> int:
        right, _, missed = models[0].categories[place].counts
        return right + missed

    occurring = [place for place in places if frequency(place)]
    return sorted(sorted(occurring, key=frequency, reverse=True)[:MOST_PANELS])


def _line(curve: PrecisionRecall | None) -> tuple[list[float], list[float]]:
    """Recall and precision from where nothing is believed on."""
    if curve is None or not len(curve.recall):
        return [0.0], [0.0]
    return [0.0, *curve.recall.tolist()], [float(curve.precision[0]), *curve.precision.tolist()]


def _mean(model: ModelWorth, places: Sequence[int], measure: str) -> float:
    if measure != "F1":
        return model.mean_average_precision
    occurring = [model.categories[place] for place in places if sum(model.categories[place].counts[::2])]
    return float(np.mean([entry.scores[2] for entry in occurring])) if occurring else math.nan


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"


def _plain(text: str, *, longest: int = LONGEST_NAME) -> str:
    """A name as it is, not as a formula, and not too long."""
    text = " ".join(text.split())
    return (text if len(text) <= longest else text[: longest - 1] + "…").replace("$", r"\$")


def _tidy(axes: Any) -> None:
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
