"""`learning-loop models show|compare|rule`: what models are worth, and whether better ones deploy themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..doctor.quantities import moment_text
from ..enums import ImageSet
from .asked import Asked, about_a_project
from .conversions import gist_of
from .output import print_json, stdout
from .training_texts import share_text

if TYPE_CHECKING:
    from rich.table import Table

    from ..client.deployment import DeployRule
    from ..client.evaluation import Comparison, Counts, Demand, Evaluation
    from ..client.models import ModelEntry

MinConfidence = Annotated[
    float | None,
    typer.Option(
        "--min-confidence", min=0, max=1, help="Weaker detections do not count; else what the model itself says."
    ),
]
MinOverlap = Annotated[
    float, typer.Option("--min-overlap", min=0, max=1, help="Intersection over union of what counts as found.")
]
MaxDistance = Annotated[
    float | None,
    typer.Option("--max-distance", min=0, help="So far off points may be, in pixels; else as large as their category."),
]
OfSet = Annotated[ImageSet, typer.Option("--set", help="On complete images of this set.")]


@about_a_project()
def show_model(
    asked: Asked,
    model: Annotated[str, typer.Argument(help="Version or id of the model.")],
    set_: OfSet = ImageSet.Test,
    min_confidence: MinConfidence = None,
    min_overlap: MinOverlap = 0.5,
    max_distance: MaxDistance = None,
) -> None:
    """Show a model, where it comes from, and what its detections are worth."""
    demand = _demand(set_, min_confidence, min_overlap, max_distance)

    async def ask() -> tuple[ModelEntry, Evaluation, bool]:
        async with asked.loop() as loop:
            entry, target = await loop.models.get(model), await loop.deployment.target()
            return entry, await loop.evaluations.of(model, demand), target is not None and target.model_uuid == entry.id

    entry, score, is_deployed = asyncio.run(ask())
    if asked.as_json:
        print_json({"model": entry, "deployed": is_deployed, "evaluation": score})
        return
    stdout().print(_facts(entry, is_deployed))
    if score.images.compared:
        stdout().print(_categories(score, min_overlap))
    stdout().print(_about_images(score), soft_wrap=True)


@about_a_project()
def compare_models(
    asked: Asked,
    names: Annotated[list[str], typer.Argument(metavar="MODELS...", help="Two to ten models, by version or id.")],
    set_: OfSet = ImageSet.Test,
    min_confidence: MinConfidence = None,
    min_overlap: MinOverlap = 0.5,
    max_distance: MaxDistance = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            metavar="FILE",
            help="Draw precision-recall curves and bars: .png, .svg or .pdf.",
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Compare models on the images that all of them have looked at."""
    if len(names) < 2:
        raise typer.BadParameter("name at least two models", param_hint="MODELS")
    demand = _demand(set_, min_confidence, min_overlap, max_distance, has_curves=plot is not None)
    paint = None
    if plot is not None:
        from .model_pictures import painter

        paint = painter(plot, _average_name(min_overlap))

    async def ask() -> Comparison:
        async with asked.loop() as loop:
            return await loop.evaluations.compare(names, demand)

    found = asyncio.run(ask())
    is_drawn = paint is not None and found.models[0].images.compared > 0
    if paint is not None and is_drawn:
        paint(found)
    if asked.as_json:
        print_json(found)
        return
    if found.models[0].images.compared:
        stdout().print(_side_by_side(found.models, min_overlap))
    stdout().print(_about_comparison(found), soft_wrap=True)
    if is_drawn:
        stdout().print(f"drawn in {plot}", soft_wrap=True)


@about_a_project()
def deployment_rule(
    asked: Asked,
    on: Annotated[bool, typer.Option("--on", help="Deploy better models by themselves.")] = False,
    off: Annotated[bool, typer.Option("--off", help="No longer.")] = False,
    min_improvement: Annotated[
        float | None,
        typer.Option("--min-improvement", min=0, max=1, help="So much better, in macro F1.", show_default=False),
    ] = None,
    set_: Annotated[
        ImageSet | None, typer.Option("--set", help="On complete images of this set.", show_default=False)
    ] = None,
    min_images: Annotated[
        int | None, typer.Option("--min-images", min=1, help="So many images at least.", show_default=False)
    ] = None,
) -> None:
    """Show, or change, whether a new model that is better than the deployed one is deployed by itself."""
    if on and off:
        raise typer.BadParameter("give either --on or --off", param_hint="--on, --off")
    given = {
        "automatic": True if on else False if off else None,
        "min_improvement": min_improvement,
        "set": set_,
        "min_images": min_images,
    }
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}

    async def ask() -> DeployRule:
        from dataclasses import replace

        async with asked.loop() as loop:
            rule = await loop.deployment.rule()
            return await loop.deployment.set_rule(replace(rule, **changes)) if changes else rule

    rule = asyncio.run(ask())
    if asked.as_json:
        print_json(rule)
        return
    more = f" by {rule.min_improvement:g} or more" if rule.min_improvement else ""
    condition = (
        f"if its macro F1 is higher than that of the deployed one{more}, on the same images of the set {rule.set}, "
        f"at least {rule.min_images}"
    )
    if rule.automatic:
        stdout().print(f"on: a new model is deployed by itself {condition}", soft_wrap=True)
    else:
        stdout().print(f"off: people deploy new models; --on would deploy one {condition}", soft_wrap=True)


def _demand(
    set_: ImageSet,
    min_confidence: float | None,
    min_overlap: float,
    max_distance: float | None,
    *,
    has_curves: bool = False,
) -> Demand:
    from ..client.evaluation import Demand

    return Demand(
        set=set_.value,
        min_confidence=min_confidence,
        min_overlap=min_overlap,
        max_distance=max_distance,
        curves=has_curves,
    )


def _facts(entry: ModelEntry, is_deployed: bool) -> Table:
    from rich.table import Table

    facts = {
        "version": entry.version,
        "id": entry.id,
        "formats": ", ".join(entry.formats),
        "missing formats": "; ".join(
            f"{one.format}: {gist_of((one.error or 'it failed').splitlines())}" for one in entry.problems or ()
        ),
        "created": moment_text(entry.created) if entry.created else None,
        "training": str(entry.training) if entry.training is not None else None,
        "went on from": entry.parent.version if entry.parent is not None else None,
        "comment": entry.comment,
        "deployed": "yes" if is_deployed else "no",
        "decision": entry.deployment_decision,
    }
    table = Table("model", "", show_header=False)
    for name, value in facts.items():
        if value:
            table.add_row(name, value)
    return table


def _categories(score: Evaluation, min_overlap: float) -> Table:
    from rich.table import Table

    average = _average_name(min_overlap)
    table = Table("category", "type", "right", "wrong", "missed", "precision", "recall", "F1", average)
    for column in table.columns[2:]:
        column.justify = "right"
    for entry in score.categories:
        table.add_row(entry.name, entry.type, *_counted(entry), share_text(entry.average_precision))
    table.add_row("all together", "", *_counted(score.total))
    table.add_section()
    table.add_row(
        f"macro F1, m{average}", *[""] * 6, share_text(score.macro_f1), share_text(score.mean_average_precision)
    )
    return table


def _counted(worth: Counts) -> list[str]:
    counts = [str(count) for count in (worth.tp, worth.fp, worth.fn)]
    return [*counts, *map(share_text, (worth.precision, worth.recall, worth.f1))]


def _side_by_side(scores: Sequence[Evaluation], min_overlap: float) -> Table:
    """The F1 of each category, with precision and recall; with two models, how much it changes, too."""
    from rich.table import Table

    table = Table("F1 (P precision, R recall)")
    for score in scores:
        table.add_column(score.version, justify="right")
    if len(scores) == 2:
        table.add_column("change", justify="right")

    def add(name: str, cells: Sequence[str], values: Sequence[float | None]) -> None:
        change = [_change(values[0], values[1])] if len(scores) == 2 else []
        table.add_row(name, *cells, *change)

    for rows in zip(*(score.categories for score in scores), strict=True):
        add(rows[0].name, [_worth(row.f1, row.precision, row.recall) for row in rows], [row.f1 for row in rows])
    totals = [score.total for score in scores]
    add("all together", [_worth(row.f1, row.precision, row.recall) for row in totals], [row.f1 for row in totals])
    table.add_section()
    for name, values in (
        ("macro F1", [score.macro_f1 for score in scores]),
        (f"m{_average_name(min_overlap)}", [score.mean_average_precision for score in scores]),
    ):
        add(name, list(map(share_text, values)), values)
    return table


def _about_images(score: Evaluation) -> str:
    images = score.images
    text = f"{images.in_set} complete image{_s(images.in_set)} in the set {score.set}"
    if not images.compared:
        why = ", none of them looked at by this model: trainers send detections at the end of a training"
        return text + (why if images.in_set else "; label some to see what a model is worth")
    text += f", {images.compared} looked at by this model"
    if images.without_detections:
        text += f"; in {images.without_detections} it found nothing"
    if score.min_confidence:
        text += f"; only detections of confidence {score.min_confidence:g} and more count"
    if score.ignored_detections:
        text += f"; {score.ignored_detections} detections of categories that the project does not have are left out"
    return text + _about_limit(images.is_limited)


def _about_comparison(found: Comparison) -> str:
    images = found.models[0].images
    text = f"compared on {images.compared} of {images.in_set} complete images of the set {found.models[0].set}"
    missing = [f"{score.version} {score.images.looked_at}" for score in found.models]
    if images.compared < images.in_set:
        text += f", those that all have looked at ({', '.join(missing)})"
    text += _about_limit(images.is_limited)
    if found.best is not None:
        return f"{text}: {found.best} is best"
    return f"{text}: none is better than all others in macro F1" if images.compared else f"{text}: nothing to compare"


def _about_limit(is_limited: bool) -> str:
    return "; older images are left out" if is_limited else ""


def _average_name(min_overlap: float) -> str:
    """What average precision is called with this least overlap.

    >>> _average_name(0.5), _average_name(0.755)
    ('AP50', 'AP75.5')
    """
    return f"AP{100 * min_overlap:.4g}"


def _worth(f1: float | None, precision: float | None, recall: float | None) -> str:
    return f"{share_text(f1)} (P {share_text(precision)} R {share_text(recall)})"


def _change(former: float | None, latter: float | None) -> str:
    return f"{latter - former:+.3f}" if former is not None and latter is not None else "-"


def _s(count: int) -> str:
    return "" if count == 1 else "s"
