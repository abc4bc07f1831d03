"""The stable id of a named node, kept in `uuids.json` of the data folder."""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

from ..runtime.files import make_folder, replace_file

logger = logging.getLogger(__name__)

FILE_NAME = "uuids.json"


def node_uuid(data_folder: Path, name: str) -> str:
    """The id of the node with this name, made on first use. A broken file is kept beside the new one."""
    key = name.lower().replace(" ", "_")
    make_folder(data_folder)
    with _one_at_a_time(data_folder):
        ids = _read(data_folder / FILE_NAME)
        if key not in ids:
            ids[key] = str(uuid4())
            replace_file(data_folder / FILE_NAME, json.dumps(ids).encode())
        return ids[key]


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Two nodes that start together in one folder do not lose each other's id."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read(file: Path) -> dict[str, str]:
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError:  # also what is no UTF-8
        content = None
    if not isinstance(content, dict):
        _keep_aside(file)
        return {}
    ids = {key: value for key, value in content.items() if _is_uuid(value)}
    if len(ids) < len(content):
        _keep_aside(file)
    return ids


def _keep_aside(file: Path) -> None:
    aside = file.with_name(f"{file.name}.broken")
    file.replace(aside)
    logger.warning("%s cannot be read and is kept as %s; nodes whose id was lost get a new one", file, aside.name)


def _is_uuid(value: object) -> bool:
    try:
        UUID(str(value))
    except ValueError:
        return False
    return isinstance(value, str)
