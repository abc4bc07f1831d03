"""`learning-loop export`: a project of the loop as a data set in a folder."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..enums import CategoryType, ImageSet, ImageState
from ..enums.datasets import Format
from .asked import Asked, about_a_project
from .output import counted, print_json, progress_bar, stderr, stdout, tell_left_out

if TYPE_CHECKING:
    from ..datasets import Written


@about_a_project()
def export(
    asked: Asked,
    folder: Annotated[Path, typer.Argument(help="Folder to make.")],
    format_: Annotated[Format, typer.Option("--format", help="Format of the data set.")],
    state: Annotated[
        list[ImageState] | None, typer.Option(help="Only images in this state; may be given again.", show_default=False)
    ] = None,
    set_: Annotated[
        list[ImageSet] | None, typer.Option("--set", help="Only of this set; may be given again.", show_default=False)
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="Only with this tag; all, if given again.", show_default=False)
    ] = None,
    type_: Annotated[
        list[CategoryType] | None,
        typer.Option("--type", help="Only categories of this type; may be given again.", show_default=False),
    ] = None,
    skip_unfit: Annotated[
        bool, typer.Option("--skip-unfit", help="Leave out what the format cannot hold, and say what.")
    ] = False,
) -> None:
    """Write the images of a project, what is marked in them, its categories and sets as COCO or YOLO.

    The folder appears when it is complete. What the format cannot hold is refused.
    """
    from ..client.dataset_download import DatasetDownload
    from ..client.images import ImageFilter
    from ..datasets.files import refuse_existing

    refuse_existing(folder)
    wanted = ImageFilter(state=state or (), set=set_ or (), tag=tag or ())

    async def fetch() -> Written:
        async with asked.loop() as loop:
            total = (await loop.images.counts()).total if wanted == ImageFilter() else None
            with progress_bar() as progress:
                bar = progress.add_task("fetching", total=total)
                download = DatasetDownload(
                    loop=loop,
                    wanted=wanted,
                    types=type_ or tuple(CategoryType),
                    skip_unfit=skip_unfit,
                    on_image=lambda: progress.advance(bar),
                )
                return await download.run(folder, format_)

    written = asyncio.run(fetch())
    if asked.as_json:
        print_json(written)
    else:
        _tell(written, folder)


def _tell(written: Written, folder: Path) -> None:
    for note, count in written.notes.items():
        stderr().print(f"{note} ({count})" if count > 1 else note, style="yellow", soft_wrap=True)
    marked = counted(written.annotations)
    stdout().print(
        f"{written.images} images in {folder}; annotations: {marked}; categories: {written.categories}", soft_wrap=True
    )
    tell_left_out(written.skipped)
