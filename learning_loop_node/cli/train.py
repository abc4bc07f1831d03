"""`learning-loop train`: start a training, and watch it to its end."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import NotFoundError
from .loop_options import Host, Organization, Password, Project, Username, loop_client, loop_settings
from .output import AsJson

if TYPE_CHECKING:
    from ..client.loop import LoopClient
    from ..client.nodes import NodeEntry

WORD = re.compile(r"[A-Za-z_][\w./-]*")
NEARLY_JSON = ("true", "false", "null", "none", "nan", "inf", "infinity")
"""Words that hardly mean themselves."""

Wait = Annotated[bool, typer.Option("--wait/--detach", help="Watch it to its end, or return as soon as it is queued.")]


def train(
    variant: Annotated[
        str | None,
        typer.Option("--variant", help="The model to begin with; else the only one that trainers offer."),
    ] = None,
    base_model: Annotated[
        str | None, typer.Option("--base-model", metavar="MODEL", help="Go on from this version (or id) of a model.")
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="NAME=VALUE", help="A hyperparameter: JSON, or a plain word; may be repeated."),
    ] = None,
    hyperparameters: Annotated[
        Path | None,
        typer.Option(
            "--hyperparameters",
            metavar="FILE",
            help="A JSON object of them; --param wins.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    category: Annotated[
        list[str] | None, typer.Option("--category", help="Only this one, by name or id; may be repeated.")
    ] = None,
    architecture: Annotated[
        str | None, typer.Option("--architecture", help="Only a trainer of this architecture.")
    ] = None,
    trainer: Annotated[str | None, typer.Option("--trainer", help="Only this trainer, by name or id.")] = None,
    description: Annotated[str | None, typer.Option("--description", help="A text to the training.")] = None,
    wait: Wait = True,
    host: Host = None,
    username: Username = None,
    password: Password = None,
    organization: Organization = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Train a model on the complete images of a project, and show how it goes.

    The next idle trainer that fits takes the training; until there is one, it waits. Ctrl-C ends the watching only. The
    new model comes with its detections, so that `models show` and `models compare` say what it is worth.
    """
    values = (_from_file(hyperparameters) if hyperparameters else {}) | dict(map(_param, param or ()))
    settings = loop_settings(host, username, password, organization, project)

    async def run() -> None:
        from ..client.trainings import NewTraining
        from .training_watch import follow

        async with loop_client(settings) as loop:
            nodes = await loop.nodes.list() if variant is None or trainer is not None else ()
            offering = _fitting([node for node in nodes if node.kind == "trainer"], trainer, architecture)
            new = NewTraining(
                model_variant=variant or _only_variant(offering, settings.host),
                hyperparameters=values,
                architecture=architecture,
                trainer=_id_of_trainer(offering, trainer) if trainer else None,
                base_model=base_model,
                category_ids=await _category_ids(loop, category) if category else None,
                description=description,
            )
            await follow(loop, await loop.trainings.start(new), wait=wait, as_json=as_json)

    asyncio.run(run())


def _param(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise typer.BadParameter(f"{text}: give it as NAME=VALUE, such as epochs=100", param_hint="--param")
    try:
        return name, json.loads(value, parse_constant=_refuse_constant)
    except ValueError as error:
        if WORD.fullmatch(value) and value.lower() not in NEARLY_JSON:
            return name, value
        raise typer.BadParameter(
            f"{text}: {value or 'nothing'} is neither JSON (100, 0.5, true, null, [1, 2]) nor a plain word; "
            f"""other texts want quotes: --param '{name}="{value}"'""",
            param_hint="--param",
        ) from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no value of JSON")


def _from_file(file: Path) -> dict[str, Any]:
    try:
        values = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{file} cannot be read as JSON: {error}", param_hint="--hyperparameters") from error
    if not isinstance(values, dict):
        raise typer.BadParameter(f'{file} must hold an object, as {{"epochs": 100}}', param_hint="--hyperparameters")
    return values


def _fitting(trainers: Sequence[NodeEntry], name: str | None, architecture: str | None) -> list[NodeEntry]:
    """Those of the connected trainers that could take the training."""
    return [
        entry
        for entry in trainers
        if name in (None, entry.id, entry.name) and architecture in (None, entry.architecture)
    ]


def _only_variant(trainers: Sequence[NodeEntry], host: str) -> str:
    names = sorted({variant.name for entry in trainers for variant in entry.pretrained_models})
    if len(names) == 1:
        return names[0]
    if not trainers:
        reason = (
            f"no such trainer is connected to {host} that would say which there are; name one, and the training waits"
        )
    elif names:
        reason = f"choose one; the connected trainers offer {', '.join(names)}"
    else:
        reason = "the connected trainers do not say which there are; name one"
    raise typer.BadParameter(reason, param_hint="--variant")


def _id_of_trainer(trainers: Sequence[NodeEntry], name: str) -> str:
    """The id of a trainer that is given by its name. What no connected one is called is taken for an id."""
    ids = {entry.id for entry in trainers if name in (entry.id, entry.name)}
    if len(ids) > 1:
        raise typer.BadParameter(
            f"several trainers are called {name}; give the id of one: {', '.join(sorted(ids))}", param_hint="--trainer"
        )
    return ids.pop() if ids else name


async def _category_ids(loop: LoopClient, names: Sequence[str]) -> list[str]:
    categories = (await loop.projects.get(loop.context)).categories
    ids = {category.id: category.id for category in categories} | {
        category.name: category.id for category in categories
    }
    missing = [name for name in names if name not in ids]
    if missing:
        there = ", ".join(category.name for category in categories) or "none"
        raise NotFoundError(f"there is no category {', '.join(missing)}; there are: {there}")
    return list(dict.fromkeys(ids[name] for name in names))
