"""Keeps others out of a data folder."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...errors import SettingError

PRIVATE = 0o700


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other loops out of this folder, and other users of the machine: it holds hashes of passwords."""
    with suppress(PermissionError):  # it may belong to somebody else, as folders mounted into containers do
        folder.chmod(PRIVATE)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SettingError(
                f"LOOP_DATA_FOLDER={folder} (--data) is in use by another loop; stop it or choose another folder"
            ) from error
        yield
