"""`learning-loop trainings`: list, show, watch, stop, abort and repeat the trainings of a project."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from ..enums import TrainingState
from .loop_options import Host, Organization, Password, Project, Username, loop_client, loop_settings
from .output import AsJson, print_json, stdout
from .train import Wait
from .training_texts import (
    category_names,
    end_text,
    f1_of,
    log_news,
    macro_f1_of,
    model_text,
    moment_text,
    share_text,
    state_text,
    took_text,
)

if TYPE_CHECKING:
    from ..client.loop import LoopClient
    from ..client.trainings import TrainingEntry, TrainingMetric
    from ..settings import LoopSettings

trainings = typer.Typer(help="List, show, watch, stop and repeat the trainings of a project.", no_args_is_help=True)

T = TypeVar("T")

FOLLOW_S = 2.0

Number = Annotated[int, typer.Argument(min=1, help="Number of the training, as `trainings list` shows it.")]


@trainings.command("list")
def list_trainings(
    limit: Annotated[int, typer.Option("--limit", min=1, help="So many at most, newest first.")] = 20,
    host: Host = None,
    username: Username = None,
    password: Password = None,
    organization: Organization = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """List the trainings, the newest first."""

    async def ask() -> Sequence[TrainingEntry]:
        async with loop_client(settings) as loop:
            return await loop.trainings.list(limit)

    settings = loop_settings(host, username, password, organization, project)
    entries = asyncio.run(ask())
    if as_json:
        print_json(entries)
        return
    from rich.table import Table

    table = Table("number", "state", "model", "variant", "base", "trainer", "F1", "took", "created", "by")
    for entry in entries:
        share = macro_f1_of(entry.confusion_matrix or {})
        table.add_row(
            str(entry.number),
            state_text(entry),
            model_text(entry),
            entry.model_variant,
            (entry.base_model.version or "-") if entry.base_model is not None else "",
            entry.trainer.name if entry.trainer is not None else "-",
            share_text(share),
            took_text(entry),
            moment_text(entry.created),
            entry.created_by or "-",
        )
    stdout().print(table if entries else f"no trainings in {settings.organization}/{settings.project}")


@trainings.command("show")
def show_training(
    number: Number,
    host: Host = None,
    username: Username = None,
    password: Password = None,
    organization: Organization = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Show what was asked for, how far it is, and what came out of it."""

    async def ask(loop: LoopClient) -> TrainingEntry:
        return await loop.trainings.get(number)

    settings = loop_settings(host, username, password, organization, project)
    entry = _run(settings, ask)
    if as_json:
        print_json(entry)
        return
    from rich.table import Table

    trainer = entry.trainer
    facts = {
        "number": str(entry.number),
        "state": state_text(entry),
        "failed with": entry.error,
        "its trainer says": "; ".join(f"{key}: {text}" for key, text in entry.errors.items()),
        "model": model_text(entry) if entry.model is not None else None,
        "variant": entry.model_variant,
        "went on from": entry.base_model.version if entry.base_model is not None else None,
        "architecture": entry.architecture,
        "trainer": f"{trainer.name}{'' if trainer.is_connected else ' (not connected)'}" if trainer else None,
        "wanted trainer": entry.wanted_trainer,
        "hyperparameters": ", ".join(f"{name}={value}" for name, value in entry.hyperparameters.items()),
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
def watch_training(
    number: Number,
    host: Host = None,
    username: Username = None,
    password: Password = None,
    organization: Organization = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Watch a training to its end, as `train` does."""
    from .training_watch import follow

    async def run(loop: LoopClient) -> None:
        await follow(loop, await loop.trainings.get(number), wait=True, as_json=as_json)

    _run(loop_settings(host, username, password, organization, project), run)


@trainings.command("log")
def show_log(
    number: Number,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the training ends.")] = False,
    host: Host = None,
    username: Username = None,
    password: Password = None,
    organization: Organization = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Print the end of the log of a training (up to 64 KB), as its trainer has sent it."""

    async def run(loop: LoopClient) -> None:
        log = await loop.trainings.log(number)
        if as_json and not follow:
            print_json(log)
            return
        typer.echo(log.text, nl=bool(log.text) and not log.text.endswith("\n"))
        while follow and not TrainingState((await loop.trainings.get(number)).state).has_ended:
            await loop.http.clock.sleep(FOLLOW_S)
            former, log = log, await loop.trainings.log(number)
            typer.echo(log_news(former.size_bytes, log.text, log.size_bytes), nl=False)

    _run(loop_settings(host, username, password, organization, project), run)


@trainings.command("metrics")
def show_metrics(
    number: Number,
    host: Host = None,
    username: Username = None,
    password: Password = None,
    organization: Organization = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Show what the trainer counted, epoch by epoch, on its own test images: F1 of each category."""

    async def ask(loop: LoopClient) -> tuple[TrainingEntry, Sequence[TrainingMetric]]:
        return await loop.trainings.get(number), await loop.trainings.metrics(number)

    settings = loop_settings(host, username, password, organization, project)
    entry, metrics = _run(settings, ask)
    if as_json:
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
    stdout().print(table if metrics else f"training {number} has reported nothing yet ({state_text(entry)})")


@trainings.command("stop")
def stop_training(
    number: Number,
    host: Host = None,
    username: Username = None,
    password: Password = None,
    organization: Organization = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """End a training early, and keep the best model that it has so far."""
    settings = loop_settings(host, username, password, organization, project)
    _tell(_run(settings, lambda loop: loop.trainings.stop(number)), as_json)


@trainings.command("abort")
def abort_training(
    number: Number,
    host: Host = None,
    username: Username = None,
    password: Password = None,
    organization: Organization = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """End a training, and throw away what it has."""
    settings = loop_settings(host, username, password, organization, project)
    _tell(_run(settings, lambda loop: loop.trainings.abort(number)), as_json)


@trainings.command("retry")
def retry_training(
    number: Number,
    wait: Wait = False,
    host: Host = None,
    username: Username = None,
    password: Password = None,
    organization: Organization = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Start a training that asks for the same as one that has ended."""
    from .training_watch import follow

    async def run(loop: LoopClient) -> None:
        await follow(loop, await loop.trainings.retry(number), wait=wait, as_json=as_json)

    _run(loop_settings(host, username, password, organization, project), run)


def _run(settings: LoopSettings, work: Callable[[LoopClient], Awaitable[T]]) -> T:
    async def run() -> T:
        async with loop_client(settings) as loop:
            return await work(loop)

    return asyncio.run(run())


def _tell(entry: TrainingEntry, as_json: bool) -> None:
    if as_json:
        print_json(entry)
    elif TrainingState(entry.state).has_ended:
        stdout().print(end_text(entry), soft_wrap=True)
    else:
        stdout().print(f"training {entry.number} is {entry.state}", soft_wrap=True)
