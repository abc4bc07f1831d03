"""What happens in the process of a conversion."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..data_classes import ModelInformation
from ..errors import ChildRaisedError, ConversionRefusedError
from ..runtime.raised import sentence_of


def conversion(logic: Any, model: ModelInformation, folder: str) -> dict[str, Any]:
    """Let the user's logic convert a model into this folder: the names of its files, or why they are refused."""
    place = Path(folder)
    returned = _ask(logic, "convert", model, place)
    try:
        files = checked_files(returned, place)
    except ConversionRefusedError as error:
        return {"refused": str(error)}
    if getattr(logic, "check", None) is not None:
        _ask(logic, "check", model, files)
    return {"files": [file.name for file in files]}


def checked_files(returned: Any, folder: Path) -> list[Path]:
    """The files of a converted model, if they are what `convert` promises; `ConversionRefusedError` says what not."""
    files = _files_of(returned, folder)
    if not files:
        raise ConversionRefusedError(f"convert made no files; write them into the folder that it is given ({folder})")
    for file in files:
        if file.parent != folder:
            where = "lies in a folder of the result" if folder in file.parents else "lies outside of the folder"
            raise ConversionRefusedError(f"{file} {where}; write it directly into {folder}, as models are flat")
        if file.is_symlink() or not file.is_file():
            kind = "is a link" if file.is_symlink() else "is a folder" if file.is_dir() else "is not there"
            raise ConversionRefusedError(f"convert returned {file.name}, which {kind}; only files make a model")
    if twice := sorted({file.name for file in files if files.count(file) > 1}):
        raise ConversionRefusedError(f"convert returned {twice[0]} twice")
    if not any(file.stat().st_size for file in files):
        raise ConversionRefusedError("all files that convert made are empty")
    return files


def _files_of(returned: Any, folder: Path) -> list[Path]:
    match returned:
        case None:
            return sorted(folder.iterdir())
        case str() | Path():
            return [_plain(folder / returned)]
        case Iterable():
            entries = list(returned)
            if all(isinstance(entry, str | Path) for entry in entries):
                return [_plain(folder / entry) for entry in entries]
    raise ConversionRefusedError(
        f"convert returned {returned!r:.200}; return the paths of its files, or nothing for all"
    )


def _plain(path: Path) -> Path:
    """Without `..`; links stay links."""
    return Path(os.path.normpath(path))


def _ask(logic: Any, hook: str, *arguments: Any) -> Any:
    """What a hook of the user returns; `ChildRaisedError` says which one raised what, and where."""
    try:
        return _awaited(getattr(logic, hook)(*arguments))
    except MemoryError:
        raise
    except BaseException as error:  # a hook may end the process, too
        raise ChildRaisedError(f"{hook} of {type(logic).__name__} raised {sentence_of(error)}") from error


def _awaited(value: Any) -> Any:
    async def wait() -> Any:
        return await value

    return asyncio.run(wait()) if inspect.isawaitable(value) else value
