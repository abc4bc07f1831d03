"""All errors of the package.

NodeError
├── InvalidRequestError             the request cannot be understood or does not fit
│   ├── InvalidImageError           the image cannot be decoded
│   ├── InvalidDataError            a JSON object lacks a field or has one of the wrong type
│   ├── BadModeError                a mode that does not exist (answered like 0.27 does)
│   ├── ArchiveRefusedError         an archive that we do not unpack
│   ├── DatasetError                a data set that cannot be read or written, or that a format cannot hold
│   ├── SettingError                a setting has a value that cannot be used
│   └── UnfitTrainingError          a training cannot be done as it was asked for
├── TooLargeError                   body, image or archive above a limit
├── NotAuthenticatedError           login or token is missing or wrong
├── ForbiddenError                  logged in, but not allowed
├── NotFoundError                   there is no such thing
│   └── NoTargetError               nobody has deployed a model yet
├── RefusedError                    it does not fit the present state; asking again will not help
│   ├── OutdatedError               somebody else has changed it since it was read
│   ├── CriticalError               a training cannot go on, however often it is tried
│   └── TrainingRefusedError        the trainer does not take a training now
│       └── TrainingSlotTakenError  another process trains on the same GPU
├── UnavailableError                not now; asking later may help
│   ├── BusyError                   too many requests are waiting
│   ├── NoModelError                no model is loaded
│   └── RateLimitedError            the loop asked us to slow down
├── DeadlineError                   the time that the caller gave has passed
├── StorageFullError                no room on the disk, or the disk refuses to keep the data
├── InsufficientMemoryError         not even the smallest batch of a training fits into memory
├── DetectionFailedError            the detector logic raised, or returned numbers that make no sense
├── ToolFailedError                 the annotation tool raised, or returned what is no output of a tool
│   └── ToolTimedOutError           it did not answer in time
├── ModelRefusedError               a model cannot be built, or its files are not what was announced
├── MissingExtraError               a library is not installed that only a part of the package needs
├── ChildFailedError                a program that we started ended, or does not do its work
│   ├── ChildRaisedError            what it was to do raised an exception
│   ├── ChildOutOfMemoryError       it needed more memory than it may have, or than there is
│   ├── ChildTimedOutError          it took longer than it may
│   ├── ChildCrashedError           a signal ended it, such as a segmentation fault
│   └── ProgramMissingError         it is not there, so that it cannot be started
├── NotPicklableError               what another process should do cannot be handed to it
├── ConversionRefusedError          a converted model is not what a model has to be
├── NodeNeedsRestartError           the user's logic asks for a new process
└── LoopError                       the loop could not do what we asked
    ├── LoopUnreachableError        no connection, or none within the time limit
    ├── LoopRefusedError            an answer with an error status
    │   ├── LoginRefusedError       user name or password was not accepted
    │   └── ModelUploadFailedError  a trained model was not stored; trying later may help
    ├── DownloadError               what a trainer or detector asked for did not come
    └── TransferBrokenError         an answer that ended early or does not match its announcement
        └── HashMismatchError       what arrived is complete but has another hash than announced

An error's message says what is wrong, with the name of the field or setting, and what to do about it. Which HTTP status
belongs to which error stands in `api/replies.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any


class NodeError(Exception):
    """Something went wrong."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or _first_line(type(self)))

    @property
    def code(self) -> str:
        """A short name that programs can compare: `InvalidImageError` → `invalid_image`."""
        return code_of(type(self))


def code_of(error: type[BaseException]) -> str:
    """The name of an error class on the wire."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", error.__name__.removesuffix("Error")).lower()


def _first_line(error: type[BaseException]) -> str:
    return (error.__doc__ or error.__name__).strip().splitlines()[0].rstrip(".")


class InvalidRequestError(NodeError):
    """The request cannot be understood."""


class InvalidImageError(InvalidRequestError):
    """The image cannot be decoded."""


class InvalidDataError(InvalidRequestError):
    """A field is missing or has the wrong type."""


class BadModeError(InvalidRequestError):
    """There is no such mode."""


class ArchiveRefusedError(InvalidRequestError):
    """The archive is not one that we unpack."""


class DatasetError(InvalidRequestError):
    """The data set cannot be read or written, or its format cannot hold it."""


class SettingError(InvalidRequestError, ValueError):
    """A setting has a value that cannot be used."""


class UnfitTrainingError(InvalidRequestError, ValueError):
    """The training cannot be done as it was asked for."""


class TooLargeError(NodeError):
    """The request is larger than the limit."""


class NotAuthenticatedError(NodeError):
    """Login or token is missing or wrong."""


class ForbiddenError(NodeError):
    """This account is not allowed to do that."""


class NotFoundError(NodeError):
    """There is no such thing."""


class NoTargetError(NotFoundError):
    """Nobody has deployed a model yet."""


class RefusedError(NodeError):
    """This is not possible in the present state."""


class OutdatedError(RefusedError):
    """Somebody else has changed it since it was read."""

    def __init__(self, message: str = "", *, conflicts: Sequence[Mapping[str, Any]] = ()) -> None:
        """`conflicts` names each thing by `kind` and `id`, with `version` given and `present`, and `changed_by`."""
        super().__init__(message)
        self.conflicts = conflicts


class CriticalError(RefusedError):
    """The training cannot go on, however often it is tried."""


class TrainingRefusedError(RefusedError):
    """The trainer does not take a training now."""

    payload = "refused"  # what the loop looks for in the acknowledgement


class TrainingSlotTakenError(TrainingRefusedError):
    """Another process trains on the same GPU."""

    def __init__(self, message: str = "", *, holder: str | None = None) -> None:
        """`holder` says who has the slot; without it the message does."""
        super().__init__(message)
        self.holder = message if holder is None else holder


class UnavailableError(NodeError):
    """This is not possible right now."""

    def __init__(self, message: str = "", *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BusyError(UnavailableError):
    """Too many requests are waiting; try again shortly."""


class NoModelError(UnavailableError):
    """No model is loaded."""


class RateLimitedError(UnavailableError):
    """Too many requests; slow down."""


class DeadlineError(NodeError):
    """The time given for this request has passed."""


class StorageFullError(NodeError):
    """There is no room left to keep the data."""


class InsufficientMemoryError(NodeError, RuntimeError):
    """There is not enough memory to train."""


class DetectionFailedError(NodeError):
    """The detector logic failed on this image."""


class ToolFailedError(NodeError):
    """The annotation tool failed on this input."""


class ToolTimedOutError(ToolFailedError):
    """The annotation tool did not answer in time."""


class ModelRefusedError(NodeError):
    """The model cannot be used."""


class ChildFailedError(NodeError):
    """A program that we started ended, or does not do its work."""

    log_tail = ""
    """What it printed last, where that is known."""


class ChildRaisedError(ChildFailedError):
    """What a process of its own was to do raised an exception."""


class ChildOutOfMemoryError(ChildFailedError):
    """A process needed more memory than it may have."""


class ChildTimedOutError(ChildFailedError):
    """A process took longer than it may."""


class ChildCrashedError(ChildFailedError):
    """A process was ended by a signal."""


class ProgramMissingError(ChildFailedError, FileNotFoundError):
    """A program that should be started is not there."""


class NotPicklableError(NodeError):
    """What another process should do cannot be handed to it."""


class ConversionRefusedError(NodeError):
    """The converted model is not what a model has to be."""


class NodeNeedsRestartError(NodeError):
    """The process must be started anew; a node that meets it ends in order."""


class MissingExtraError(NodeError, ImportError):
    """A library is not installed that only this part needs."""


class LoopError(NodeError):
    """The loop could not do what we asked."""


class LoopUnreachableError(LoopError):
    """The loop cannot be reached."""


class LoopRefusedError(LoopError):
    """The loop answered with an error."""

    def __init__(self, message: str = "", *, status: int = 0, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


class LoginRefusedError(LoopRefusedError):
    """The loop did not accept user name and password."""


class ModelUploadFailedError(LoopRefusedError):
    """The loop did not store the model."""


class DownloadError(LoopError):
    """The download failed."""

    def __init__(self, cause: str = "", *_: object) -> None:
        super().__init__(cause)
        self.cause = cause


class TransferBrokenError(LoopError):
    """The transfer ended early or is not what was announced."""


class HashMismatchError(TransferBrokenError):
    """What arrived has another hash than announced."""
