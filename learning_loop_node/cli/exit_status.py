"""With which status a command ends."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from ..errors import (
    BusyError,
    DatasetError,
    DeadlineError,
    DetectionFailedError,
    ForbiddenError,
    InvalidRequestError,
    LoopError,
    LoopUnreachableError,
    ModelRefusedError,
    NodeError,
    NoModelError,
    NotAuthenticatedError,
    NotFoundError,
    RateLimitedError,
    RefusedError,
    SettingError,
    StorageFullError,
    TooLargeError,
    TransferBrokenError,
    UnavailableError,
)


class ExitStatus(IntEnum):
    """What scripts can rely on; `--help` shows it."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    INTERRUPTED = 130


MEANINGS = {
    ExitStatus.OK: "done",
    ExitStatus.FAILED: "something did not work out",
    ExitStatus.USAGE: "wrong arguments or settings",
    ExitStatus.UNREACHABLE: "loop or node cannot be reached, or does not answer in time",
    ExitStatus.REFUSED: "loop or node was reached and refused",
    ExitStatus.INTERRUPTED: "ended by Ctrl-C",
}

_STATUS: dict[type[NodeError], ExitStatus] = {
    SettingError: ExitStatus.USAGE,
    DatasetError: ExitStatus.FAILED,
    LoopUnreachableError: ExitStatus.UNREACHABLE,
    TransferBrokenError: ExitStatus.UNREACHABLE,
    InvalidRequestError: ExitStatus.REFUSED,
    TooLargeError: ExitStatus.REFUSED,
    NotAuthenticatedError: ExitStatus.REFUSED,
    ForbiddenError: ExitStatus.REFUSED,
    NotFoundError: ExitStatus.REFUSED,
    RefusedError: ExitStatus.REFUSED,
    UnavailableError: ExitStatus.UNREACHABLE,
    BusyError: ExitStatus.REFUSED,
    NoModelError: ExitStatus.REFUSED,
    RateLimitedError: ExitStatus.REFUSED,
    DeadlineError: ExitStatus.UNREACHABLE,
    StorageFullError: ExitStatus.REFUSED,
    DetectionFailedError: ExitStatus.REFUSED,
    ModelRefusedError: ExitStatus.REFUSED,
    LoopError: ExitStatus.REFUSED,
    NodeError: ExitStatus.FAILED,
}


def exit_status_of(error: NodeError) -> ExitStatus:
    """Looked up along the base classes."""
    return next(_STATUS[cls] for cls in type(error).__mro__ if cls in _STATUS)


def exit_status_of_all(errors: Sequence[NodeError], count: int) -> ExitStatus:
    """Of a command that did `count` things: what failed with a common cause throughout ends with its status."""
    if not errors:
        return ExitStatus.OK
    statuses = {exit_status_of(error) for error in errors}
    return statuses.pop() if len(errors) == count and len(statuses) == 1 else ExitStatus.FAILED


def exit_status_help() -> str:
    """One line for `--help`."""
    return "Exit status: " + "; ".join(f"{status.value} {meaning}" for status, meaning in MEANINGS.items()) + "."
