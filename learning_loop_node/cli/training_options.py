"""The options that say what a training is to be, for `train` and `trainings retry`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from ..errors import NotFoundError

if TYPE_CHECKING:
    from ..client.loop import LoopClient
    from ..client.nodes import NodeEntry

WORD = re.compile(r"[A-Za-z_][\w./-]*")
NEARLY_JSON = ("true", "false", "null", "none", "nan", "inf", "infinity")
"""Words that hardly mean themselves."""

OPTIONS = {
    "hyperparameters": "--param",
    "model_variant": "--variant",
    "base_model": "--base-model",
    "category_ids": "--category",
    "architecture": "--architecture",
    "trainer": "--trainer",
    "description": "--description",
}
"""The options by the fields of a training."""

Variant = Annotated[
    str | None,
    typer.Option(
        "--variant", help="The model to begin with; else the only one that trainers offer.", show_default=False
    ),
]
OtherVariant = Annotated[str | None, typer.Option("--variant", help="Another model to begin with.", show_default=False)]
BaseModel = Annotated[
    str | None, typer.Option("--base-model", metavar="MODEL", help="Go on from this version (or id) of a model.")
]
Param = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="A hyperparameter: JSON, or a plain word; may be repeated."),
]
Hyperparameters = Annotated[
    Path | None,
    typer.Option(
        "--hyperparameters", metavar="FILE", help="A JSON object of them; --param wins.", exists=True, dir_okay=False
    ),
]
Category = Annotated[
    list[str] | None, typer.Option("--category", help="Only this one, by name or id; may be repeated.")
]
Architecture = Annotated[
    str | None, typer.Option("--architecture", help="Only a trainer of this architecture.", show_default=False)
]
Trainer = Annotated[str | None, typer.Option("--trainer", help="Only this trainer, by name or id.", show_default=False)]
Description = Annotated[str | None, typer.Option("--description", help="A text to the training.", show_default=False)]
Wait = Annotated[bool, typer.Option("--wait/--detach", help="Watch it to its end, or return as soon as it is queued.")]


def hyperparameters_of(file: Path | None, params: Sequence[str] | None) -> dict[str, Any]:
    """All that were given, those of the command line before those of the file."""
    return (_from_file(file) if file is not None else {}) | dict(map(_param, params or ()))


async def connected_trainers(loop: LoopClient) -> list[NodeEntry]:
    return [node for node in await loop.nodes.list() if node.kind == "trainer"]


def only_variant(trainers: Sequence[NodeEntry], trainer: str | None, architecture: str | None, host: str) -> str:
    """The variant of a training for which none was named: the one that all trainers offer who could take it."""
    fitting = [
        entry
        for entry in trainers
        if trainer in (None, entry.id, entry.name) and architecture in (None, entry.architecture)
    ]
    names = sorted({variant.name for entry in fitting for variant in entry.pretrained_models})
    if len(names) == 1:
        return names[0]
    if not fitting:
        of_it = f" of the architecture {architecture}" if architecture is not None else f" {trainer}" if trainer else ""
        there = "; ".join(f"{entry.name}: {entry.architecture or 'no architecture'}" for entry in trainers)
        reason = f"no trainer{of_it} is connected to {host} that would say which there are" + (
            f" (there are {there})" if there else ""
        )
        reason += "; name one, and the training waits"
    elif names:
        reason = f"choose one; the connected trainers offer {', '.join(names)}"
    else:
        reason = "the connected trainers do not say which there are; name one"
    raise typer.BadParameter(reason, param_hint="--variant")


def id_of_trainer(trainers: Sequence[NodeEntry], name: str, host: str) -> str:
    """The id of a trainer that is given by its name. For one that is not connected only its id will do."""
    ids = {entry.id for entry in trainers if name in (entry.id, entry.name)}
    if len(ids) > 1:
        reason = f"several trainers are called {name}; give the id of one: {', '.join(sorted(ids))}"
    elif ids or _is_id(name):
        return ids.pop() if ids else name
    else:
        there = ", ".join(sorted(entry.name or entry.id for entry in trainers)) or "none"
        reason = (
            f"no trainer {name} is connected to {host}; there are: {there}; a training waits for one that is away if "
            "you give its id"
        )
    raise typer.BadParameter(reason, param_hint="--trainer")


async def category_ids(loop: LoopClient, names: Sequence[str]) -> list[str]:
    """The ids of categories that are given by their names or ids."""
    categories = (await loop.projects.get(loop.context)).categories
    ids = {category.id: category.id for category in categories} | {
        category.name: category.id for category in categories
    }
    missing = [name for name in names if name not in ids]
    if missing:
        there = ", ".join(category.name for category in categories) or "none"
        raise NotFoundError(f"there is no category {', '.join(missing)}; there are: {there}")
    return list(dict.fromkeys(ids[name] for name in names))


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


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
