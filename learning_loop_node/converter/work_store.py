"""What a converter is at and what it could not do, on the disk.

    <data>/conversions/<source>_to_<target>/<model>_<hash>/
        work.json     which model, by which converter, and how far it is
        source.zip    what is being downloaded, and continued after a break
        source/       the model as it came
        result/       what the converter logic made of it; complete when `work.json` says so
        process/      of the process that converts: log.txt is what it printed

All methods block; call them in a thread.
"""

from __future__ import annotations

import errno
import json
import logging
import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from ..data_classes.codec import from_dict, from_json
from ..errors import InvalidDataError, StorageFullError
from ..runtime.files import make_folder, replace_file, sync_folder, sync_tree
from .wanted import Wanted

logger = logging.getLogger(__name__)

FILE_NAME = "work.json"


class Progress(StrEnum):
    """How far a conversion is."""

    CONVERTING = "converting"
    CONVERTED = "converted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A model that was or is converted. `files` are the names in `result/`; `error` says why it failed.

    `is_reported` is set when the loop knows that it failed.
    """

    organization: str
    project: str
    model_id: str
    version: str
    source_format: str
    target_format: str
    source_sha256: str | None
    converter: str
    progress: Progress = Progress.CONVERTING
    files: list[str] = field(default_factory=list)
    error: str | None = None
    code: str | None = None
    is_reported: bool = False

    @classmethod
    def of(cls, wanted: Wanted, converter: str) -> Work:
        """One that begins."""
        return cls(
            organization=wanted.context.organization,
            project=wanted.context.project,
            model_id=wanted.model_id,
            version=wanted.version,
            source_format=wanted.source_format,
            target_format=wanted.target_format,
            source_sha256=wanted.source_sha256,
            converter=converter,
        )

    def is_for(self, wanted: Wanted, converter: str) -> bool:
        """Whether this is the same source, converted by the same converter."""
        return (self.source_format, self.source_sha256, self.converter) == (
            wanted.source_format,
            wanted.source_sha256,
            converter,
        )


class WorkStore:
    """The conversions of one node. Creating it touches nothing.

    Converters of different formats may share a data folder.
    """

    def __init__(self, data_folder: Path, source_format: str, target_format: str) -> None:
        self._root = data_folder / "conversions" / _plain(f"{source_format}_to_{target_format}")

    def folder_of(self, wanted: Wanted) -> Path:
        """Where everything about this conversion lies."""
        return self._root / _name_of(wanted)

    def find(self, wanted: Wanted) -> Work | None:
        """What is known of this conversion. What cannot be read counts for nothing; complete results must be there."""
        file = self.folder_of(wanted) / FILE_NAME
        try:
            data = from_json(file.read_bytes())
            work = from_dict(Work, data | {"progress": Progress(data["progress"])})
        except FileNotFoundError:
            return None
        except (InvalidDataError, OSError, ValueError, TypeError, KeyError) as error:
            logger.warning("%s is ignored: %s", file, error)
            return None
        is_lost = work.progress is Progress.CONVERTED and not all(
            path.is_file() for path in self.files_of(wanted, work)
        )
        return None if is_lost else work

    def files_of(self, wanted: Wanted, work: Work) -> list[Path]:
        """The files of the converted model."""
        return [self.folder_of(wanted) / "result" / name for name in work.files]

    def begin(self, wanted: Wanted, converter: str) -> Work:
        """Begin with empty folders `source` and `result`; what was downloaded of the source before stays."""
        work = Work.of(wanted, converter)
        folder = self.folder_of(wanted)
        with disk_errors(self._root):
            make_folder(folder)
            self._write(wanted, work)
            for name in ("source", "result", "process"):
                _remove(folder / name)
            (folder / "result").mkdir()
        return work

    def keep_result(self, wanted: Wanted, work: Work, files: Sequence[str]) -> Work:
        """Note that the files in `result` are complete; they are on the disk when this returns."""
        folder = self.folder_of(wanted)
        done = replace(work, progress=Progress.CONVERTED, files=list(files))
        with disk_errors(self._root):
            sync_tree(folder / "result")
            self._write(wanted, done)
            _remove(folder / "source")
        return done

    def keep_failure(self, wanted: Wanted, work: Work) -> None:
        """Remember why it failed; of the files, only the log stays."""
        with disk_errors(self._root):
            make_folder(self.folder_of(wanted))
            self._write(wanted, work)
            for name in ("source", "result"):
                _remove(self.folder_of(wanted) / name)

    def remove(self, wanted: Wanted) -> None:
        """Forget a conversion."""
        self._remove_folder(self.folder_of(wanted))

    def remove_others(self, wanted: Collection[Wanted], but_of: Collection[tuple[str, str]]) -> None:
        """Forget all but these conversions, and but those of the projects whose models are not known now."""
        kept = {_name_of(entry) for entry in wanted}
        with disk_errors(self._root):
            folders = list(self._root.iterdir()) if self._root.is_dir() else []
        for folder in [folder for folder in folders if folder.name not in kept]:
            if _place_in(folder / FILE_NAME) not in but_of:
                self._remove_folder(folder)

    def _write(self, wanted: Wanted, work: Work) -> None:
        replace_file(self.folder_of(wanted) / FILE_NAME, json.dumps(asdict(work)).encode())

    def _remove_folder(self, folder: Path) -> None:
        """Without its file first, so that what is left after a crash counts for nothing."""
        with disk_errors(self._root):
            (folder / FILE_NAME).unlink(missing_ok=True)
            _remove(folder)
            if self._root.is_dir():
                sync_folder(self._root)


def _name_of(wanted: Wanted) -> str:
    """For people the id, for the rest a hash, since ids may be anything."""
    context = wanted.context
    whole = "\n".join((context.organization, context.project, wanted.model_id))
    return f"{_plain(wanted.model_id)}_{sha256(whole.encode()).hexdigest()[:12]}"


def _plain(text: str) -> str:
    return re.sub(r"[^0-9A-Za-z-]", "_", text)[:100]


def _place_in(file: Path) -> tuple[str, str] | None:
    try:
        data = json.loads(file.read_bytes())
        return data["organization"], data["project"]
    except (OSError, ValueError, TypeError, KeyError):
        return None


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """What the disk refuses, as `StorageFullError`."""
    try:
        yield
    except OSError as error:
        reason = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else str(error)
        raise StorageFullError(f"{place} cannot be written: {reason}") from error


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
