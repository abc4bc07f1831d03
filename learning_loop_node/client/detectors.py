"""How the detectors of a project are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..data_classes import DetectorStatus
from ..data_classes.codec import from_dict
from ..enums import NodeState
from ..errors import InvalidDataError
from .place import Place


class Detectors:
    """The detectors of a project."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def list(self) -> Sequence[DetectorStatus]:
        """The last status of each detector. Only our own loop tells."""
        answer = await self._place.http.json("GET", self._place.path("/detectors"))
        entries = answer.get("detectors", []) if isinstance(answer, dict) else answer
        return [_status(entry) for entry in entries or []]

    async def report(self, status: DetectorStatus) -> None:
        """Tell the loop how a detector is."""
        async with self._place.http.request("POST", self._place.path("/detectors"), json=status):
            pass


def _status(entry: Any) -> DetectorStatus:
    try:
        return from_dict(DetectorStatus, entry | {"state": NodeState(entry["state"])})
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidDataError(f"DetectorStatus.state is missing or unknown: {error}") from error
