"""Models on disk, and which one is current.

    <data>/models/<version>/    the files of a model, complete: put there by one rename
    <data>/model_staging/       what is being downloaded and unpacked
    <data>/current_model        link to the model that serves
    <data>/model                the same, by its older name
    <data>/model_history.json   versions that have served, the latest first

All methods block; call them in a thread.
"""

from __future__ import annotations

import errno
import json
import logging
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from ..data_classes import ModelInformation
from ..data_classes.model_information import FILE_NAME
from ..errors import InvalidDataError, ModelRefusedError, StorageFullError
from ..runtime.archive import unpack
from ..runtime.files import make_folder, point_to, replace_file, sync_folder, sync_tree, write_synced

logger = logging.getLogger(__name__)

LINKS = ("current_model", "model")
HISTORY_LENGTH = 20
LONGEST_VERSION = 64
LARGEST_JSON_BYTES = 16 * 2**20


class ModelStore:
    """The models of one detector. Creating it touches nothing."""

    def __init__(self, data_folder: Path) -> None:
        self._root = data_folder
        self._models = data_folder / "models"
        self._staging = data_folder / "model_staging"
        self._history = data_folder / "model_history.json"

    def local_versions(self) -> list[str]:
        """The versions of which there is a model, in numerical order."""
        try:
            names = [entry.name for entry in self._models.iterdir() if is_version(entry.name) and entry.is_dir()]
        except OSError:
            return []
        return sorted(names, key=lambda version: [int(part) for part in version.split(".")])

    def folder_of(self, version: str) -> Path:
        """Where the model of this version belongs; `InvalidDataError` for what is no version."""
        return self._models / require_version(version)

    def find(self, wanted: ModelInformation) -> ModelInformation | None:
        """This very model, if it is complete on disk."""
        found = self.find_version(wanted.version)
        return found if found is not None and found.id == wanted.id else None

    def find_version(self, version: str) -> ModelInformation | None:
        """The model of this version, if it is complete on disk."""
        try:
            found = ModelInformation.load_from_disk(str(self.folder_of(version)))
        except (InvalidDataError, OSError) as error:
            logger.warning("model %s on disk is not used: %s", version, error)
            return None
        return found if found is not None and found.version == version else None

    def candidates(self) -> Iterator[ModelInformation]:
        """Models to start with, the best first: the one that the links name, then those that served before it.

        Whatever state the disk is in, broken ones are skipped with a warning.
        """
        seen: set[Path] = set()
        for folder in self._folders_to_start_with():
            if folder in seen:
                continue
            seen.add(folder)
            try:
                information = ModelInformation.load_from_disk(str(folder))
            except (InvalidDataError, OSError) as error:
                logger.warning("the model in %s is skipped: %s", folder, error)
                continue
            if information is None:
                logger.warning("the model in %s is skipped: it has no %s", folder, FILE_NAME)
                continue
            yield information

    def current(self) -> ModelInformation | None:
        """The model to start with, None if there is none."""
        return next(self.candidates(), None)

    def archive_of(self, wanted: ModelInformation) -> Path:
        """Where to download this model to. What other downloads left there is removed."""
        with disk_errors(self._staging):
            make_folder(self._staging)
            archive = self._staging / f"{require_version(wanted.version)}-{_safe(wanted.id)}.zip"
            for entry in self._staging.iterdir():
                if not entry.name.startswith(archive.name):
                    _remove(entry)
            return archive

    def install(self, archive: Path, wanted: ModelInformation) -> ModelInformation:
        """Unpack a downloaded archive, check that it is this model, and let it have its place; the archive is removed.

        Raises `ArchiveRefusedError`, `InvalidDataError` (its `model.json`), `ModelRefusedError` (another model) or
        `StorageFullError`; then nothing has changed but the archive.
        """
        place = self.folder_of(wanted.version)
        unpacked = self._staging / f"unpacked-{uuid4().hex}"
        try:
            with disk_errors(self._staging):
                make_folder(self._models)
                unpack(archive, unpacked)
                complete_model_json(unpacked / FILE_NAME, wanted)
                sync_tree(unpacked)
                self._move(unpacked, place)
        finally:
            archive.unlink(missing_ok=True)
            _remove(unpacked)
        information = ModelInformation.load_from_disk(str(place))
        if information is None:
            raise ModelRefusedError(f"model {wanted.version} has no {FILE_NAME}")
        return information

    def set_current(self, information: ModelInformation) -> None:
        """Let the links name this model, and remember that it has served."""
        if not self._is_ours(information):
            return
        version = require_version(information.version)
        with disk_errors(self._root):
            for name in LINKS:
                link = self._root / name
                if link.is_dir() and not link.is_symlink():
                    logger.warning("%s is a folder and not the link to the current model; it stays as it is", link)
                    continue
                point_to(link, f"models/{version}")
            versions = [version, *(old for old in self._versions_that_served() if old != version)]
            replace_file(self._history, json.dumps(versions[:HISTORY_LENGTH]).encode())

    def _folders_to_start_with(self) -> Iterator[Path]:
        for name in LINKS:
            if folder := self._folder_behind(self._root / name):
                yield folder
        for version in self._versions_that_served():
            yield self._models / version

    def _folder_behind(self, link: Path) -> Path | None:
        """The model that a link names; the folder itself where somebody has put one in the place of the link."""
        try:
            if not link.is_symlink():
                return link if link.is_dir() else None
            version = link.readlink().name  # wherever the data folder was when the link was made
        except OSError as error:
            logger.warning("%s is ignored: %s", link, error)
            return None
        if is_version(version):
            return self._models / version
        logger.warning("%s is ignored: it points to %s, which is no model", link, version)
        return None

    def _versions_that_served(self) -> list[str]:
        try:
            versions = json.loads(self._history.read_bytes())
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            logger.warning("%s is ignored: %s", self._history, error)
            return []
        return [entry for entry in versions if is_version(entry)] if isinstance(versions, list) else []

    def _is_ours(self, information: ModelInformation) -> bool:
        root = information.model_root_path
        return root is not None and Path(root).parent == self._models

    def _move(self, unpacked: Path, place: Path) -> None:
        """Put a folder in the place of another one, or where there was none."""
        former = self._staging / f"former-{uuid4().hex}"
        if place.exists() or place.is_symlink():
            place.replace(former)
        unpacked.replace(place)
        sync_folder(self._models)
        _remove(former)


def complete_model_json(file: Path, wanted: ModelInformation) -> None:
    """Fill in what the loop told us besides, and check that this is the model that we asked for.

    Keys that we do not know stay; a file that needs no change is not written.
    """
    try:
        if file.stat().st_size > LARGEST_JSON_BYTES:
            raise InvalidDataError(f"{FILE_NAME} of model {wanted.version} is larger than {LARGEST_JSON_BYTES} bytes")
        data = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        raise InvalidDataError(f"the archive of model {wanted.version} has no {FILE_NAME}") from error
    except ValueError as error:
        raise InvalidDataError(f"{FILE_NAME} of model {wanted.version} is not valid JSON: {error}") from error
    if not isinstance(data, dict):
        raise InvalidDataError(f"{FILE_NAME} of model {wanted.version} must be an object")
    known = {
        "id": wanted.id,
        "host": wanted.host,
        "organization": wanted.organization,
        "project": wanted.project,
        "version": wanted.version,
    }
    complete = {**known, **{key: value for key, value in data.items() if value is not None or key not in known}}
    if complete["id"] != wanted.id:
        raise ModelRefusedError(
            f"the archive holds the model {complete['id']}, but version {wanted.version} is {wanted.id}"
        )
    if complete["version"] != wanted.version:
        logger.warning("%s says version %s; it is %s", FILE_NAME, complete["version"], wanted.version)
        complete["version"] = wanted.version
    ModelInformation.from_dict(complete)
    if complete != data:
        write_synced(file, json.dumps(complete).encode())


def is_version(text: object) -> bool:
    """Whether this is a version: numbers with dots between them. Only such texts become names of folders."""
    return isinstance(text, str) and len(text) <= LONGEST_VERSION and bool(re.fullmatch(r"[0-9]+(\.[0-9]+)*", text))


def require_version(text: str) -> str:
    """The same text, if it is a version."""
    if not is_version(text):
        raise InvalidDataError(f"{text!r} is no model version; versions are numbers with dots, such as 1.3")
    return text


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """What the disk refuses, as `StorageFullError`."""
    try:
        yield
    except OSError as error:
        reason = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else str(error)
        raise StorageFullError(f"{place} cannot be written: {reason}") from error


def _safe(text: str) -> str:
    return re.sub(r"[^0-9A-Za-z-]", "_", text)[:LONGEST_VERSION]


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
