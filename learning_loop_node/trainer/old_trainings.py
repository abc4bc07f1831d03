"""Makes room for a training: what earlier ones have left in their folders is deleted, which may take a while."""

from __future__ import annotations

import logging
import shutil
from functools import partial
from pathlib import Path
from uuid import uuid4

from ..data_classes.codec import from_json
from ..errors import InvalidDataError

logger = logging.getLogger(__name__)

OLD_TRAININGS = ".old_trainings-"
"""Folders with this prefix are being deleted."""


def put_old_trainings_away(project_folder: Path, data_folder: Path) -> None:
    """Let earlier trainings be deleted, but not those that another trainer in this data folder works on."""
    used = set()
    for file in data_folder.glob("last_training__*.json"):
        try:
            used.add(from_json(file.read_bytes())["id"])
        except (InvalidDataError, OSError, KeyError, TypeError):
            continue
    folders = project_folder / "trainings"
    old = [entry for entry in folders.iterdir() if entry.name not in used] if folders.is_dir() else []
    if old:
        aside = project_folder / f"{OLD_TRAININGS}{uuid4().hex}"
        aside.mkdir()
        for entry in old:
            entry.rename(aside / entry.name)


def delete_old_trainings(project_folder: Path) -> None:
    """Delete what was put away, also by a process that was killed meanwhile."""
    for folder in project_folder.glob(f"{OLD_TRAININGS}*"):
        shutil.rmtree(folder, onerror=partial(_log_leftover, folder))


def _log_leftover(folder: Path, _function: object, path: str, _info: object) -> None:
    logger.warning("%s of an earlier training in %s cannot be deleted", path, folder)
