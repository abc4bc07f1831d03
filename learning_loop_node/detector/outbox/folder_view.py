"""The folder of an outbox as somebody sees it who is not the node: nothing changes unless it is asked for."""

from __future__ import annotations

import sys
from pathlib import Path

from ...errors import SettingError
from .disk import Disk
from .item_folder import item_in, read_file
from .lanes import Lanes
from .quarantine import Quarantine
from .store import Item, ItemDamagedError, Quarantined, Usage, lane_name


class FolderView:
    """`Browsable`, also while a node works in the folder: it notices a retry within half a minute.

    What it sees is how things were when it was made. `damaged` are folders that a node would put into quarantine, by
    their place, with the reason.
    """

    def __init__(self, path: Path, disk: Disk | None = None) -> None:
        if not path.is_dir():
            raise SettingError(f"there is no folder {path}")
        if not any((path / lane_name(is_priority=is_priority)).is_dir() for is_priority in (True, False)):
            raise SettingError(f"{path} is no outbox: it has neither a folder `normal` nor `priority`")
        self.path = path
        self.damaged: dict[str, str] = {}
        self._lanes = Lanes()
        # Nothing gives way: that is for the node.
        self._quarantine = Quarantine(path / "quarantine", sys.maxsize, sys.maxsize, disk or Disk())
        self._quarantine.refresh()
        for is_priority in (True, False):
            self._look_into(path / lane_name(is_priority=is_priority), is_priority=is_priority)

    def usage(self) -> Usage:
        """How much there is."""
        return Usage(
            items=len(self._lanes),
            priority_items=self._lanes.count(is_priority=True),
            size_bytes=self._lanes.size_bytes,
            oldest_at=self._lanes.oldest_at(),
            quarantine_items=len(self._quarantine),
        )

    def listed(self, count: int, after: Item | None = None) -> list[Item]:
        return self._lanes.listed(count, after)

    def quarantined(self, count: int, after: str = "") -> list[Quarantined]:
        return [entry for name in self._quarantine.names(count, after) if (entry := self._quarantine.entry(name))]

    def metadata(self, entry: Item | Quarantined) -> bytes:
        return self._file(entry, "json")

    def jpeg(self, entry: Item | Quarantined) -> bytes:
        return self._file(entry, "jpg")

    def retry(self, name: str) -> None:
        self._quarantine.release(name, self.path)

    def _file(self, entry: Item | Quarantined, ending: str) -> bytes:
        if isinstance(entry, Quarantined):
            return self._quarantine.read(entry.name, ending)
        return read_file(self.path / entry.lane / entry.name, f"{entry.stem}.{ending}")

    def _look_into(self, lane: Path, *, is_priority: bool) -> None:
        try:
            names = sorted(folder.name for folder in lane.iterdir())
        except FileNotFoundError:
            return
        items = []
        for name in names:
            try:
                items.append(item_in(lane / name, is_priority=is_priority))
            except FileNotFoundError:
                continue
            except ItemDamagedError as error:
                self.damaged[f"{lane.name}/{name}"] = str(error)
            except OSError as error:
                self.damaged[f"{lane.name}/{name}"] = error.strerror or str(error)
        self._lanes.add(items)
