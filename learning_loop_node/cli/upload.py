"""`learning-loop upload`: pictures into a project of the loop, or through a detector node."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..enums import ImageState
from .asked import Asked, about_a_project
from .exit_status import exit_status_of_all
from .output import print_json, progress_bar, stderr, stdout, tell_deleted
from .picture_files import picture_files

if TYPE_CHECKING:
    from ..client.bulk_upload import Outcome, Picture

Tag = Annotated[
    list[str] | None, typer.Option("--tag", help="A tag for all of them; may be given again.", show_default=False)
]


@about_a_project()
def upload(
    asked: Asked,
    images: Annotated[list[str], typer.Argument(help="Files, folders, or patterns such as 'photos/*.jpg'.")],
    node: Annotated[
        str | None,
        typer.Option("--node", help="Through the outbox of this node, such as `robot:8004`.", show_default=False),
    ] = None,
    tag: Tag = None,
    source: Annotated[str | None, typer.Option(help="Where they come from.", show_default=False)] = None,
    state: Annotated[ImageState | None, typer.Option(help="State to begin in.", show_default=False)] = None,
    sidecar: Annotated[
        bool, typer.Option("--sidecar/--no-sidecar", help="Take metadata from `a.json` beside `a.jpg`.")
    ] = True,
    at_once: Annotated[int, typer.Option("--at-once", min=1, max=64, help="Requests on their way at a time.")] = 4,
) -> None:
    """Send images to a project of the loop, or through a node. Whoever does it again sends nothing twice.

    An image is known by its content: the loop has it once, whatever the file is called.
    """
    pictures = _pictures(picture_files(images), tag, source, state, sidecar)
    outcomes = asyncio.run(_send(asked, pictures, node, at_once))
    if asked.as_json:
        print_json([_json_of(outcome) for outcome in outcomes])
    else:
        _tell(asked, outcomes)
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    raise typer.Exit(exit_status_of_all(errors, len(outcomes)))


def _pictures(
    files: Sequence[Path], tags: Sequence[str] | None, source: str | None, state: str | None, has_sidecars: bool
) -> list[Picture]:
    from ..client.bulk_upload import Picture

    given: dict[str, Any] = {"tags": list(tags or ()), "source": source, "state": state}
    extra = {name: value for name, value in given.items() if value}
    pictures = []
    for file in dict.fromkeys(files):
        beside = file.with_suffix(".json")
        pictures.append(Picture(file=file, sidecar=beside if has_sidecars and beside.is_file() else None, extra=extra))
    return pictures


async def _send(asked: Asked, pictures: Sequence[Picture], node: str | None, at_once: int) -> list[Outcome]:
    from ..client.bulk_upload import BulkUpload, Receiver, ThroughNode, ToLoop
    from ..client.detector import DetectorClient

    async with AsyncExitStack() as stack:
        receiver: Receiver
        if node:
            receiver = ThroughNode(await stack.enter_async_context(DetectorClient(node)))
        else:
            receiver = ToLoop((await stack.enter_async_context(asked.loop())).images)
        progress = stack.enter_context(progress_bar())
        bar = progress.add_task("uploading", total=len(pictures))
        advance: Callable[[Outcome], None] = lambda _: progress.advance(bar)  # noqa: E731
        return await BulkUpload(receiver, at_once=at_once, on_done=advance).send_all(pictures)


def _tell(asked: Asked, outcomes: Sequence[Outcome]) -> None:
    reasons = Counter(str(outcome.error) for outcome in outcomes if outcome.error is not None)
    told: set[str] = set()
    for outcome in outcomes:
        text = str(outcome.error)
        if outcome.error is None or text in told:
            continue
        more = f" (and {reasons[text] - 1} more)" if reasons[text] > 1 else ""
        stderr().print(f"{outcome.file}{more}: {text}", style="red", soft_wrap=True)
        told.add(text)
    gone = [outcome.image_id for outcome in outcomes if outcome.fate.name == "DELETED" and outcome.image_id]
    tell_deleted(asked, gone)
    fates = Counter(outcome.fate for outcome in outcomes)
    parts = ", ".join(f"{fates[fate]} {fate}" for fate in type(outcomes[0].fate) if fates[fate])
    stdout().print(f"{len(outcomes)} image{'' if len(outcomes) == 1 else 's'}: {parts}", soft_wrap=True)


def _json_of(outcome: Outcome) -> dict[str, Any]:
    entry: dict[str, Any] = {"image": str(outcome.file), "fate": outcome.fate.name.lower()}
    if outcome.image_id is not None:
        entry["id"] = outcome.image_id
    if outcome.error is not None:
        entry |= {"error": str(outcome.error), "code": outcome.error.code}
    return entry
