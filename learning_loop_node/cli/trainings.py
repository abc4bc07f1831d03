"""`learning-loop trainings`: list, show, watch, stop, abort and repeat the trainings of a project."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ..doctor.quantities import moment_text, span_text
from ..enums import TrainingState
from .asked import Asked, about_a_project
from .output import print_json, stderr, stdout
from .tables import print_table
from .training_options import (
    OPTIONS,
    Architecture,
    BaseModel,
    Category,
    Hyperparameters,
    OtherVariant,
    Param,
    Trainer,
    Wait,
    category_ids,
    connected_trainers,
    hyperparameters_of,
    id_of_trainer,
)
from .training_texts import (
    category_names,
    end_text,
    errors_text,
    f1_of,
    hint_of,
    in_one_line,
    log_news,
    macro_f1_of,
    model_text,
    share_text,
    state_text,
    stays_text,
    took_text,
)

if TYPE_CHECKING:
    from ..client.loop import LoopClient
    from ..client.trainings import TrainingEntry, TrainingMetric

trainings = typer.Typer(help="List, show, watch, stop and repeat the trainings of a project.", no_args_is_help=True)

FOLLOW_S = 2.0

Number = Annotated[int, typer.Argument(min=1, help="Number of the training, as `trainings list` shows it.")]


@trainings.command("list")
@about_a_project()
def list_trainings(
    asked: Asked, limit: Annotated[int, typer.Option("--limit", min=1, help="So many at most, newest first.")] = 20
) -> None:
    """List the trainings, the newest first."""

    async def ask(loop: LoopClient) -> Sequence[TrainingEntry]:
        return await loop.trainings.list(limit)

    entries = asked.run(ask)
    if asked.as_json:
        print_json(entries)
        return
    from rich.table import Table

    has_base = any(entry.base_model is not None for entry in entries)
    base = ["base"] if has_base else []
    table = Table("number", "state", "model", "variant", *base, "trainer", "F1", "took", "created")
    for entry in entries:
        share = macro_f1_of(entry.confusion_matrix or {})
        parent = [(entry.base_model.version or "-") if entry.base_model is not None else ""] if has_base else []
        table.add_row(
            str(entry.number),
            _short_state(entry),
            (entry.model.version or "-") if entry.model is not None else "-",
            entry.model_variant,
            *parent,
            entry.trainer.name if entry.trainer is not None else "-",
            share_text(share),
            took_text(entry),
            _ago(entry.created),
        )
    print_table(table, f"no trainings in {asked.place}")
    for entry in entries:
        if not TrainingState(entry.state).has_ended and (hint := hint_of(entry)):
            stderr().print(asked.words_of(f"training {entry.number} {hint}"), style="yellow", soft_wrap=True)
    if any(map(_is_noted, entries)):
        show = asked.command("trainings", "show", "NUMBER")
        stderr().print(f"with a notice: `{show}` says what went wrong on the way", style="yellow", soft_wrap=True)


@trainings.command("show")
@about_a_project()
def show_training(asked: Asked, number: Number) -> None:
    """Show what was asked for, how far it is, and what came out of it."""

    async def ask(loop: LoopClient) -> TrainingEntry:
        return await loop.trainings.get(number)

    entry = asked.run(ask)
    if asked.as_json:
        print_json(entry)
        return
    from rich.table import Table

    trainer = entry.trainer
    is_said = TrainingState(entry.state).has_ended and bool(entry.error or entry.notice)
    facts = {
        "number": str(entry.number),
        "state": state_text(entry),
        "failed with": in_one_line(entry.error) if entry.error else None,
        "but": asked.words_of(in_one_line(entry.notice)) if entry.notice else None,
        "its trainer says": errors_text(entry.errors) if not is_said else None,
        "model": model_text(entry) if entry.model is not None else None,
        "variant": entry.model_variant,
        "went on from": entry.base_model.version if entry.base_model is not None else None,
        "architecture": entry.architecture,
        "trainer": f"{trainer.name}{'' if trainer.is_connected else ' (not connected)'}" if trainer else None,
        "wanted trainer": entry.wanted_trainer,
        "hyperparameters": ", ".join(f"{name}={json.dumps(value)}" for name, value in entry.hyperparameters.items()),
        "categories": ", ".join(category.name for category in entry.categories),
        "images": f"{entry.train_image_count} to train, {entry.test_image_count} to test"
        if entry.train_image_count is not None
        else None,
        "best epoch": str(entry.best_epoch) if entry.best_epoch is not None else None,
        "repeats": f"training {entry.retry_of}" if entry.retry_of is not None else None,
        "description": entry.description,
        "created": moment_text(entry.created) + (f" by {entry.created_by}" if entry.created_by else ""),
        "took": took_text(entry),
    }
    table = Table("training", "", show_header=False)
    for name, value in facts.items():
        if value:
            table.add_row(name, value)
    stdout().print(table)


@trainings.command("watch")
@about_a_project()
def watch_training(asked: Asked, number: Number) -> None:
    """Watch a training to its end, as `train` does."""
    from .training_watch import follow

    async def run(loop: LoopClient) -> None:
        await follow(asked, loop, await loop.trainings.get(number), wait=True)

    asked.run(run)


@trainings.command("log")
@about_a_project()
def show_log(
    asked: Asked,
    number: Number,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the training ends.")] = False,
) -> None:
    """Print the end of the log of a training (up to 64 KB), as its trainer has sent it."""

    async def run(loop: LoopClient) -> None:
        log = await loop.trainings.log(number)
        if asked.as_json and not follow:
            print_json(log)
            return
        if log.text:
            typer.echo(log.text, nl=not log.text.endswith("\n"))
        else:
            stderr().print("the trainer has sent no log yet")
        while follow and not TrainingState((await loop.trainings.get(number)).state).has_ended:
            await loop.http.clock.sleep(FOLLOW_S)
            former, log = log, await loop.trainings.log(number)
            typer.echo(log_news(former.size_bytes, log.text, log.size_bytes), nl=False)

    asked.run(run)


@trainings.command("metrics")
@about_a_project()
def show_metrics(asked: Asked, number: Number) -> None:
    """Show what the trainer counted, epoch by epoch, on its own test images: F1 of each category."""

    async def ask(loop: LoopClient) -> tuple[TrainingEntry, Sequence[TrainingMetric]]:
        return await loop.trainings.get(number), await loop.trainings.metrics(number)

    entry, metrics = asked.run(ask)
    if asked.as_json:
        print_json(metrics)
        return
    from rich.table import Table

    names = category_names(entry)
    ids = list(dict.fromkeys(id_ for metric in metrics for id_ in metric.confusion_matrix))
    table = Table("epoch", "macro F1", *(names.get(id_, id_) for id_ in ids), "reported")
    for metric in metrics:
        matrix = metric.confusion_matrix
        shares = [macro_f1_of(matrix), *(f1_of(matrix.get(id_, {})) for id_ in ids)]
        epoch = str(metric.epoch) if metric.epoch is not None else "-"
        table.add_row(epoch, *map(share_text, shares), moment_text(metric.moment))
    print_table(table, f"training {number} has reported nothing yet ({state_text(entry)})")


@trainings.command("stop")
@about_a_project()
def stop_training(asked: Asked, number: Number) -> None:
    """End a training early, and keep the best model that it has so far."""
    _tell(asked, asked.run(lambda loop: loop.trainings.stop(number)))


@trainings.command("abort")
@about_a_project()
def abort_training(asked: Asked, number: Number) -> None:
    """End a training, and throw away what it has; a model that is at the loop already stays."""
    _tell(asked, asked.run(lambda loop: loop.trainings.abort(number)))


@trainings.command("retry")
@about_a_project(**OPTIONS)
def retry_training(
    asked: Asked,
    number: Number,
    variant: OtherVariant = None,
    base_model: BaseModel = None,
    param: Param = None,
    hyperparameters: Hyperparameters = None,
    category: Category = None,
    architecture: Architecture = None,
    trainer: Trainer = None,
    from_scratch: Annotated[bool, typer.Option("--from-scratch", help="Without its base model.")] = False,
    wait: Wait = False,
) -> None:
    """Start a training that asks for the same as one that has ended, except for what is given here.

    Hyperparameters that are not named stay as they were; `--param NAME=null` leaves one out. It returns at once, unlike
    `train`; --wait watches it.
    """
    if from_scratch and base_model is not None:
        raise typer.BadParameter("give either a --base-model, or --from-scratch", param_hint="--from-scratch")
    values = hyperparameters_of(hyperparameters, param)

    async def run(loop: LoopClient) -> None:
        from ..client.trainings import TrainingChanges
        from .training_watch import follow

        trainers = await connected_trainers(loop) if trainer is not None else []
        changes = TrainingChanges(
            model_variant=variant,
            hyperparameters=values,
            architecture=architecture,
            trainer=id_of_trainer(trainers, trainer, asked.settings.host) if trainer else None,
            base_model=base_model,
            category_ids=await category_ids(loop, category) if category else None,
            without=["base_model"] if from_scratch else [],
        )
        await follow(asked, loop, await loop.trainings.retry(number, changes), wait=wait)

    asked.run(run)


def _short_state(entry: TrainingEntry) -> str:
    """For a table, below which it is said why something waits."""
    if entry.state == TrainingState.Queued:
        return entry.state
    return f"{state_text(entry)}{', with a notice' if _is_noted(entry) else ''}"


def _is_noted(entry: TrainingEntry) -> bool:
    """Whether something went wrong on the way of a training that has ended well."""
    return TrainingState(entry.state).has_ended and bool(entry.notice)


def _ago(moment: str) -> str:
    return f"{span_text((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds())} ago"


def _tell(asked: Asked, entry: TrainingEntry) -> None:
    if asked.as_json:
        print_json(entry)
    elif TrainingState(entry.state).has_ended:
        stdout().print(end_text(entry), soft_wrap=True)
    else:
        has_model = entry.state == TrainingState.Aborting and entry.model is not None and bool(entry.model.formats)
        stays = f"; {stays_text(entry)}" if has_model else ""
        stdout().print(f"training {entry.number} is {entry.state}{stays}", soft_wrap=True)
