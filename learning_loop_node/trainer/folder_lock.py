"""Keeps a second process from working on the training of the first."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import SettingError
from ..runtime.files import make_folder

logger = logging.getLogger(__name__)


@contextmanager
def only_process(data_folder: Path, name: str, uuid: str) -> Iterator[None]:
    """Be the only process that runs this trainer in this folder; `SettingError` if there is one already.

    Trainers with different names may share a folder. The lock belongs to the process (POSIX): the system takes it back
    from one that was killed, and children do not have it.
    """
    make_folder(data_folder)
    file = data_folder / f".trainer__{uuid}.lock"
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            raise SettingError(
                f"the trainer {name!r} runs already with DATA_FOLDER={data_folder}; end that process, or give this one "
                "another name or another DATA_FOLDER"
            ) from error
        except OSError as error:
            logger.warning("%s cannot be locked (%s); start no second trainer of this name here", file, error.strerror)
        yield
    finally:
        os.close(descriptor)
