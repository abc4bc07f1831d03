"""Puts a model that comes from no loop into the folder of a detector, as if a loop had deployed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from ..data_classes import Context, ModelInformation
from ..data_classes.codec import to_json
from ..data_classes.model_information import FILE_NAME
from ..runtime.archive import pack
from .model_store import ModelStore, disk_errors

OWN_VERSION = "0.0"
"""No version of a loop, so that its detections are not taken for those of a model there."""


def install_own_model(
    data_folder: Path, files: Sequence[Path], context: Context, content: Mapping[str, Any]
) -> ModelInformation:
    """Copy the files of a model, with a `model.json` of this content, and make it the one that serves.

    It takes the place of the one that was put there before. `ArchiveRefusedError`, `InvalidDataError` or
    `StorageFullError` if that does not work. Blocks.
    """
    information = ModelInformation(
        id=str(uuid4()),
        host=None,
        organization=context.organization,
        project=context.project,
        version=OWN_VERSION,
    )
    store = ModelStore(data_folder)
    archive = store.archive_of(information)
    with disk_errors(data_folder), TemporaryDirectory(dir=archive.parent) as folder:
        described = Path(folder) / FILE_NAME
        described.write_bytes(to_json(dict(content)))
        pack([described, *files], archive)
    installed = store.install(archive, information)
    store.set_current(installed)
    return installed
