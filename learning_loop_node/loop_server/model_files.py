"""Makes the zip that detectors download from the files that somebody sent: flat, with a complete `model.json`."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from pydantic import TypeAdapter, ValidationError

from ..errors import ArchiveRefusedError, InvalidRequestError
from ..runtime.archive import pack, unpack
from ..runtime.threads import io_bound
from .receiving.pairs import describe
from .receiving.uploads import CHUNK_BYTES, Part, read_json
from .storage.blobs import Blob, BlobStore, disk_errors
from .storage.tables import CategoryRow
from .wire.projects import ModelCategory

MODEL_JSON = "model.json"
MAX_MODEL_JSON_BYTES = 4 * 2**20
ARCHIVE = ".archive.zip"
LONGEST_NAME_BYTES = 200

_CATEGORIES = TypeAdapter(list[ModelCategory | str])


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The files of a model in a folder of their own. `information` is what their `model.json` says, if there is one."""

    folder: Path
    files: list[Path]
    information: dict[str, Any] | None


@asynccontextmanager
async def unpacked(parts: Sequence[Part], incoming: Path) -> AsyncIterator[ModelFiles]:
    """The files of an upload: zips are unpacked, everything else is taken as it is. They vanish with the block."""
    async with removed_folder(incoming) as work:
        with disk_errors():
            folders = [await _lay_out(part, work / str(number)) for number, part in enumerate(parts)]
            files = await io_bound(_flat, folders)
            information = await io_bound(_read_information, files.get(MODEL_JSON))
        yield ModelFiles(work, list(files.values()), information)


@asynccontextmanager
async def removed_folder(parent: Path) -> AsyncIterator[Path]:
    """A new folder that is removed with the block."""
    with disk_errors():
        folder = Path(await io_bound(mkdtemp, dir=parent))
    try:
        yield folder
    finally:
        await io_bound(shutil.rmtree, folder, ignore_errors=True)


async def keep_archive(model: ModelFiles, information: dict[str, Any], blobs: BlobStore) -> Blob:
    """Pack the files together with this `model.json` and keep the zip."""
    with disk_errors():
        archive = await io_bound(_pack, model, information)
    return await blobs.write(_chunks(archive))


def file_names(model: ModelFiles) -> list[str]:
    """What the zip contains."""
    return sorted({file.name for file in model.files} | {MODEL_JSON})


def complete_categories(given: Any, known: Iterable[CategoryRow], project_id: str) -> list[dict[str, Any]]:
    """The categories of a model, in their order, with what the project knows about them.

    A category may be a name alone. One that the project does not have keeps what was given; its id, if missing, is the
    same each time.
    """
    try:
        entries = _CATEGORIES.validate_python(given)
    except ValidationError as error:
        raise InvalidRequestError(f"categories: {describe(error)}") from error
    by_key = {key: row for row in known for key in (("id", row.id), ("name", row.name))}
    result = []
    for entry in entries:
        category = ModelCategory(name=entry) if isinstance(entry, str) else entry
        row = by_key.get(("id", category.id)) if category.id else by_key.get(("name", category.name))
        values = category.model_dump(mode="json")
        if row is not None:
            values = {key: values[key] if values[key] is not None else getattr(row, key) for key in values}
        values["id"] = values["id"] or str(uuid5(NAMESPACE_OID, f"{project_id}/{category.name}"))
        values["type"] = values["type"] or "box"
        result.append(values)
    return result


async def _lay_out(part: Part, folder: Path) -> Path:
    """Put what a part holds into this new folder."""
    name = _name_of(part)
    await io_bound(folder.mkdir)
    # Only the name makes a zip: the weights of some frameworks are zips, too.
    if PurePosixPath(name).suffix.lower() != ".zip":
        await _save(part, folder / name)
        return folder
    archive = folder.with_name(f"{folder.name}.zip")
    await _save(part, archive)
    try:
        await io_bound(unpack, archive, folder)
    except ArchiveRefusedError as error:
        raise ArchiveRefusedError(f"{name}: {error}") from error
    await io_bound(archive.unlink)
    return folder


def _name_of(part: Part) -> str:
    if part.name != "files":
        raise InvalidRequestError(f"the form has a part {part.name!r}; a model's files are parts named 'files'")
    name = PurePosixPath(part.filename.replace("\\", "/")).name
    if name in ("", "..") or not name.isprintable() or len(name.encode()) > LONGEST_NAME_BYTES:
        raise InvalidRequestError(f"file name {name[:80]!r} must be 1 to {LONGEST_NAME_BYTES} bytes of printable text")
    return name


async def _save(part: Part, file: Path) -> None:
    stream = await io_bound(file.open, "wb")
    try:
        async for chunk in part.chunks():
            await io_bound(stream.write, chunk)
    finally:
        await io_bound(stream.close)


def _flat(folders: Iterable[Path]) -> dict[str, Path]:
    """All files by their names. Nodes put them into one folder, so no two may be called alike."""
    result: dict[str, Path] = {}
    for file in sorted(file for folder in folders for file in folder.rglob("*") if file.is_file()):
        if file.name in result:
            raise InvalidRequestError(f"there are two files {file.name}; detectors put all files into one folder")
        result[file.name] = file
    if not result:
        raise InvalidRequestError("the model has no files")
    return result


def _read_information(file: Path | None) -> dict[str, Any] | None:
    if file is None:
        return None
    if file.stat().st_size > MAX_MODEL_JSON_BYTES:
        raise InvalidRequestError(f"{MODEL_JSON} has more than {MAX_MODEL_JSON_BYTES} bytes")
    information = read_json(file.read_bytes(), MODEL_JSON)
    if not isinstance(information, dict):
        raise InvalidRequestError(f"{MODEL_JSON} must be an object")
    resolution = information.get("resolution")
    if isinstance(resolution, float) and resolution.is_integer():
        information["resolution"] = int(resolution)  # nodes take whole numbers only
    return information


def _pack(model: ModelFiles, information: dict[str, Any]) -> Path:
    completed = model.folder / MODEL_JSON
    # The usual separators of Python: programs search the text for `"format": "…"`.
    completed.write_text(json.dumps(information, indent=2, ensure_ascii=False), encoding="utf-8")
    archive = model.folder / ARCHIVE
    pack([completed, *(file for file in model.files if file.name != MODEL_JSON)], archive)
    return archive


async def _chunks(file: Path) -> AsyncIterator[bytes]:
    stream = await io_bound(file.open, "rb")
    try:
        while chunk := await io_bound(stream.read, CHUNK_BYTES):
            yield chunk
    finally:
        await io_bound(stream.close)
