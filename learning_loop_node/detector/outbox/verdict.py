"""Whose fault it is when an upload fails: the images', the loop's, or not clear yet."""

from __future__ import annotations

from enum import Enum, auto

from ...client.failures import status_of_refusal
from ...errors import LoginRefusedError, LoopUnreachableError, NodeError, TransferBrokenError, UnavailableError


class Verdict(Enum):
    """What a failed try says."""

    REFUSED = auto()
    """One of the images is broken: the loop has looked at them. It is not sent again."""
    IMAGES = auto()
    """The loop does not want these images; others it may take."""
    UNCLEAR = auto()
    """The images or the loop: it shows in whether the loop answers otherwise."""
    LOOP = auto()
    """The loop takes no image at all now: not there, busy, wrong login, no such project."""


_OF_THE_LOOP = frozenset({401, 402, 403, 404, 405, 407, 410, 429, 451, 503, 507, 511})
_ANSWERED_INSTEAD_OF_IT = frozenset({429, 502, 503, 504})


def verdict_of(error: NodeError) -> Verdict:
    """What the error of an upload says."""
    if isinstance(error, LoopUnreachableError | TransferBrokenError):
        return Verdict.UNCLEAR
    status = status_of_refusal(error)
    if isinstance(error, LoginRefusedError | UnavailableError) or status is None or status < 400:
        return Verdict.LOOP
    if status in _OF_THE_LOOP:
        return Verdict.LOOP
    if status == 422:
        return Verdict.REFUSED
    return Verdict.UNCLEAR if status == 408 or status >= 500 else Verdict.IMAGES


def is_away(error: NodeError) -> bool:
    """Whether this error to a question about its status means that the loop is not there."""
    status = status_of_refusal(error)
    return status is None or status in _ANSWERED_INSTEAD_OF_IT


def has_answer(error: NodeError) -> bool:
    """Whether the error is an answer; if not, the images may have arrived all the same."""
    return status_of_refusal(error) is not None
