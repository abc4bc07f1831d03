"""Decides which of several trainers on one machine may use the GPU."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from ..errors import SettingError, TrainingSlotTakenError
from ..runtime.clock import Clock, SystemClock
from ..settings import load_settings

logger = logging.getLogger(__name__)

ENV_VAR = "TRAINING_SLOT_LOCK"
CLAIM_ATTEMPTS = 3
RETRY_S = 1.0
UNKNOWN_HOLDER = "another process"


class TrainingSlot(ABC):
    """The right to train, which one process has at a time.

    A trainer calls `claim` when it accepts a training, or waits with `wait_for` when it continues one, and `release`
    when the run has ended, with all detections uploaded. Between trainings it reports `taken_by_sibling`.
    """

    clock: Clock = SystemClock()

    @contextmanager
    def shared(self) -> Iterator[Sequence[int]]:
        """The descriptors with which a program that is started meanwhile keeps the slot when we are killed."""
        yield ()

    def claim(self, training: str) -> None:
        """Take the slot, or keep it; raises `TrainingSlotTakenError`. `training` tells others what it is used for."""
        holder = f"pid {os.getpid()} on {socket.gethostname()}, {training}"
        for attempt in range(1, CLAIM_ATTEMPTS + 1):
            try:
                return self._acquire(holder)
            except TrainingSlotTakenError as error:
                # Who only looks at the slot is in the way for a moment, too.
                if attempt == CLAIM_ATTEMPTS or self._sibling_holder() is not None:
                    raise TrainingSlotTakenError(
                        f"the training slot is held by {error.holder}", holder=error.holder
                    ) from error
        return None

    async def wait_for(self, training: str) -> None:
        """Take the slot as soon as it is free."""
        seen = ""
        while True:
            try:
                return self.claim(training)
            except TrainingSlotTakenError as error:
                if error.holder != seen:
                    logger.info("waiting until the training slot is free: %s", error)
                    seen = error.holder
            await self.clock.sleep(RETRY_S)

    @property
    def taken_by_sibling(self) -> bool:
        """Whether somebody else has it."""
        return not self.held and self._sibling_holder() is not None

    @property
    @abstractmethod
    def held(self) -> bool:
        """Whether we have it."""

    @abstractmethod
    def release(self) -> None:
        """Give it back; nothing happens if we do not have it."""

    @abstractmethod
    def _acquire(self, holder: str) -> None:
        """Take it, or keep it, without waiting; raises `TrainingSlotTakenError` with who has it."""

    @abstractmethod
    def _sibling_holder(self) -> str | None:
        """Who else has it, None if nobody does."""


class AlwaysFreeSlot(TrainingSlot):
    """For a trainer that shares its GPU with no other."""

    def __init__(self) -> None:
        self._is_held = False

    @property
    def held(self) -> bool:
        return self._is_held

    def release(self) -> None:
        self._is_held = False

    def _acquire(self, holder: str) -> None:
        self._is_held = True

    def _sibling_holder(self) -> str | None:
        return None


SLOT_OF_TRAINING: ContextVar[TrainingSlot] = ContextVar("slot_of_training", default=AlwaysFreeSlot())  # noqa: B039
"""The slot with which the present task trains; the programs that it starts keep it, should they outlive us."""


class FileTrainingSlot(TrainingSlot):
    """A lock on a file that all trainers of the machine see; the system drops it when its holder ends, however.

    A training program has the locked file open, too, so that the lock stays while it outlives a holder that was killed;
    no other child has. `release` frees the slot for all of them. The text in the file says who has it, for people; only
    the lock counts. The file stays, and is never replaced.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._descriptor: int | None = None
        self._heeds_forks = False
        self._is_shared = False

    @property
    def held(self) -> bool:
        return self._descriptor is not None

    @contextmanager
    def shared(self) -> Iterator[Sequence[int]]:
        self._is_shared = True  # uvloop starts programs with a fork that we hear of
        try:
            yield () if self._descriptor is None else (self._descriptor,)
        finally:
            self._is_shared = False

    def release(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        with suppress(OSError):  # the text is for people
            os.ftruncate(descriptor, 0)
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)

    def _acquire(self, holder: str) -> None:
        if self.held:
            return
        self._heed_forks()
        try:
            descriptor = self._open(os.O_RDWR)
        except FileNotFoundError:
            descriptor = self._open(os.O_RDWR | os.O_CREAT)
            with suppress(OSError):
                os.fchmod(descriptor, 0o666)  # trainers of other users lock it, too, whatever our umask is
        try:
            if not _lock(descriptor, fcntl.LOCK_EX) or not self._is_at_its_place(descriptor):
                raise TrainingSlotTakenError(_holder_in(descriptor))
        except BaseException:
            os.close(descriptor)
            raise
        with suppress(OSError):  # a full disk is no reason not to train
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, holder.encode(), 0)
        self._descriptor = descriptor

    def _sibling_holder(self) -> str | None:
        if self.held:
            return None
        try:
            descriptor = self._open(os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            return None if _lock(descriptor, fcntl.LOCK_SH) else _holder_in(descriptor)
        finally:
            os.close(descriptor)

    def _open(self, flags: int) -> int:
        """`FileNotFoundError` if it is not there and not to be made."""
        try:
            return os.open(self._path, flags | os.O_CLOEXEC, 0o666)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not flags & os.O_CREAT:
                raise
            reason = os.strerror(error.errno or 0).lower()
            raise SettingError(
                f"the training slot {self._path} cannot be used: {reason}; {ENV_VAR} must name a file that this user "
                "can write, in a folder that all trainers share"
            ) from error

    def _is_at_its_place(self, descriptor: int) -> bool:
        """Whether others find the same file; somebody may have deleted it since we opened it."""
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except FileNotFoundError:
            return False

    def _heed_forks(self) -> None:
        """Let forks of ours have no part in the lock: they would hold it after our end."""
        if self._heeds_forks:
            return
        self._heeds_forks = True
        slot = weakref.ref(self)

        def forget() -> None:
            if (held := slot()) is not None and not held._is_shared:
                held._forget()

        os.register_at_fork(after_in_child=forget)

    def _forget(self) -> None:
        """Close the file without unlocking it, which would unlock it for our parent, too."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def training_slot_from_env() -> TrainingSlot:
    """The slot that `TRAINING_SLOT_LOCK` names, else one that is always free. Its folder has to exist."""
    name = load_settings().trainer.training_slot_lock
    if not name:
        return AlwaysFreeSlot()
    path = Path(name)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{ENV_VAR}={path}: its folder does not exist; create it, or mount it from the host")
    return FileTrainingSlot(path)


def _lock(descriptor: int, kind: int) -> bool:
    """Whether the lock was free."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder_in(descriptor: int) -> str:
    return os.pread(descriptor, 4096, 0).decode(errors="replace").strip() or UNKNOWN_HOLDER
