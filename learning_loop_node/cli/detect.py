"""`learning-loop detect`: what a detector node finds in pictures."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InvalidRequestError, NodeError
from .exit_status import exit_status_of_all
from .output import AsJson, print_json, progress_bar, stderr, stdout
from .picture_files import picture_files

if TYPE_CHECKING:
    from ..data_classes import ImageMetadata


@dataclass(frozen=True, slots=True)
class _Result:
    file: Path
    found: ImageMetadata | None = None
    error: NodeError | None = None


def detect(
    url: Annotated[str, typer.Argument(help="The node, such as http://127.0.0.1:8004.")],
    images: Annotated[list[str], typer.Argument(help="Files, folders, or patterns such as 'photos/*.jpg'.")],
    camera: Annotated[str | None, typer.Option(help="Camera id to send with them.", show_default=False)] = None,
    autoupload: Annotated[
        str, typer.Option(help="Which the node keeps for the loop: filtered, all, or disabled.")
    ] = "disabled",
    at_once: Annotated[int, typer.Option("--at-once", min=1, max=64, help="Images on their way at a time.")] = 4,
    as_json: AsJson = False,
) -> None:
    """Send images to a detector node and print what it finds. The exit status is not 0 if one of them failed."""
    files = picture_files(images)
    results = asyncio.run(_detect_all(url, files, camera, autoupload, at_once))
    if as_json:
        print_json([_json_of(result) for result in results])
    else:
        for result in results:
            _print(result)
    errors = [result.error for result in results if result.error is not None]
    raise typer.Exit(exit_status_of_all(errors, len(results)))


async def _detect_all(
    url: str, files: Sequence[Path], camera: str | None, autoupload: str, at_once: int
) -> list[_Result]:
    """The results in the order of the files."""

    from ..client.detector import DetectorClient
    from ..runtime.threads import io_bound

    few_at_once = asyncio.Semaphore(at_once)

    async def detect_one(file: Path) -> _Result:
        async with few_at_once:
            try:
                found = await node.detect(await io_bound(file.read_bytes), camera_id=camera, autoupload=autoupload)
            except NodeError as error:
                return _Result(file, error=error)
            except OSError as error:
                return _Result(file, error=InvalidRequestError(f"cannot be read: {error.strerror}"))
            finally:
                progress.advance(bar)
            return _Result(file, found)

    with progress_bar() as progress:
        bar = progress.add_task("detecting", total=len(files))
        async with DetectorClient(url) as node:
            return await asyncio.gather(*map(detect_one, files))


def _print(result: _Result) -> None:
    if result.found is None:
        stderr().print(f"{result.file}: {result.error}", style="red", soft_wrap=True)
        return
    stdout().print(f"{result.file}: {_count_of(len(result.found))}", soft_wrap=True)
    for detection in _detections_of(result.found):
        stdout().print(f"  {detection}", soft_wrap=True)


def _json_of(result: _Result) -> dict[str, Any]:
    if result.error is not None:
        return {"image": str(result.file), "error": str(result.error), "code": result.error.code}
    return {"image": str(result.file), "detections": result.found}


def _count_of(count: int) -> str:
    return "nothing" if count == 0 else f"{count} detection{'s' if count > 1 else ''}"


def _detections_of(found: ImageMetadata) -> list[object]:
    return [
        *found.box_detections,
        *found.point_detections,
        *found.segmentation_detections,
        *found.classification_detections,
    ]
