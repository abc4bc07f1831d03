"""`learning-loop import`: a data set in a folder into a project of the loop."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..enums import ImageState
from ..enums.datasets import Format, Shapes
from ..errors import NodeError
from .asked import Asked, about_a_project
from .output import counted, print_json, progress_bar, stderr, stdout, tell_deleted, tell_left_out

if TYPE_CHECKING:
    from ..client.dataset_upload import Imported


@about_a_project()
def import_(
    asked: Asked,
    folder: Annotated[Path, typer.Argument(help="Folder with the data set.", exists=True, file_okay=False)],
    format_: Annotated[
        Format | None, typer.Option("--format", help="Its format; else found out.", show_default=False)
    ] = None,
    create: Annotated[
        bool, typer.Option("--create", help="Make the project and the categories that are missing.")
    ] = False,
    shapes: Annotated[
        Shapes, typer.Option(help="What to take where COCO has a box and an outline; the other one is kept aside.")
    ] = Shapes.Auto,
    state: Annotated[
        ImageState | None,
        typer.Option(help="State of images that have none; else complete if annotated, or inbox.", show_default=False),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="A tag for all of them; may be given again.", show_default=False)
    ] = None,
    new_ids: Annotated[
        bool, typer.Option("--new-ids", help="Let the loop choose the ids of images and annotations.")
    ] = False,
    skip_unfit: Annotated[
        bool, typer.Option("--skip-unfit", help="Leave out what the loop cannot hold, and say what.")
    ] = False,
) -> None:
    """Put a COCO or YOLO data set into a project: its images, what is marked in them, its categories and sets.

    Everything is checked before anything is sent. Whoever does it again sends only images that are not there yet; those
    that are there stay as they are, with what is marked in them.
    """
    from ..client.dataset_upload import DatasetUpload
    from ..datasets import read_dataset

    dataset = read_dataset(folder, format_, shapes=shapes)

    async def send() -> Imported:
        async with asked.loop() as loop:
            with progress_bar() as progress:
                checking = progress.add_task("checking", total=len(dataset.images))
                sending = progress.add_task("sending", total=len(dataset.images))
                upload = DatasetUpload(
                    loop=loop,
                    create=create,
                    new_ids=new_ids,
                    skip_unfit=skip_unfit,
                    state=state,
                    tags=tag or (),
                    on_checked=lambda: progress.advance(checking),
                    on_image=lambda: progress.advance(sending),
                )
                try:
                    return await upload.run(dataset)
                except (NodeError, asyncio.CancelledError):  # the latter is Ctrl-C
                    if stored := upload.result.sent + upload.result.there_already:
                        text = f"{stored} images are stored; the same command goes on from there"
                        progress.console.print(text, soft_wrap=True)
                    raise

    result = asyncio.run(send())
    if asked.as_json:
        print_json(result)
    else:
        _tell(asked, result)


def _tell(asked: Asked, result: Imported) -> None:
    for note in result.notes:
        stderr().print(note, style="yellow", soft_wrap=True)
    tell_deleted(asked, result.deleted)
    there = f"{result.there_already} there already" + (", which stay as they are" if result.there_already else "")
    deleted = f", {len(result.deleted)} deleted at the loop" if result.deleted else ""
    stdout().print(
        f"{result.images} images for {asked.place}: {result.sent} sent, {there}{deleted}; "
        f"annotations sent: {counted(result.annotations)}; "
        f"categories: {result.categories_matched} known, {result.categories_created} made",
        soft_wrap=True,
    )
    tell_left_out(result.skipped)
