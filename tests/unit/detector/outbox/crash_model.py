"""What a power cut may leave of a folder: a record of all steps, and every disk that can be found afterwards.

A name is safe once its folder was synced after the change; what a file holds is safe once it was written and synced.
Of the rest each file and folder keeps some of its changes, from the first on, independently of all others.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from pathlib import Path

from learning_loop_node.detector.outbox.disk import Disk

ROOT = 0
TORN_AT = (0, 512, 4096)


@dataclass(frozen=True, slots=True)
class Change:
    """A file or folder (`inode`) loses a name, gets one, or both at once."""

    inode: int
    lost: tuple[int, str] | None
    got: tuple[int, str] | None

    def is_in(self, folder: int) -> bool:
        return any(name is not None and name[0] == folder for name in (self.lost, self.got))


@dataclass(frozen=True, slots=True)
class Synced:
    """A folder is safe as it is now."""

    folder: int


@dataclass(frozen=True, slots=True)
class Mark:
    """What the test has been told at this moment."""

    what: str
    key: str


class RecordingDisk(Disk):
    """Does every step and writes it down. Knows what is below `root` from its own steps only."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.steps: list[Change | Synced | Mark] = []
        self.contents: dict[int, bytes | None] = {ROOT: None}
        self._inodes: dict[Path, int] = {root: ROOT}

    def make_folder(self, folder: Path) -> None:
        missing = [path for path in (folder, *folder.parents) if path.is_relative_to(self.root) and not path.is_dir()]
        super().make_folder(folder)
        for path in reversed(missing):
            if path != self.root:
                self._appear(path, None)
                self.steps.append(Synced(self._inodes[path.parent]))

    def make_folder_aside(self, folder: Path) -> None:
        super().make_folder_aside(folder)
        self._appear(folder, None)

    def write(self, file: Path, content: bytes) -> None:
        super().write(file, content)
        self._appear(file, content)

    def sync(self, folder: Path) -> None:
        super().sync(folder)
        self.steps.append(Synced(self._inodes[folder]))

    def move(self, source: Path, target: Path) -> None:
        super().move(source, target)
        inode = self._inodes[source]
        self.steps.append(Change(inode, self._name(source), self._name(target)))
        moved = {path: number for path, number in self._inodes.items() if path.is_relative_to(source)}
        for path, number in moved.items():
            del self._inodes[path]
            self._inodes[target / path.relative_to(source)] = number

    def delete(self, path: Path) -> None:
        below = sorted((known for known in self._inodes if known.is_relative_to(path)), reverse=True)
        super().delete(path)
        for known in below:
            self.steps.append(Change(self._inodes[known], self._name(known), None))
            del self._inodes[known]

    def mark(self, what: str, key: str) -> None:
        self.steps.append(Mark(what, key))

    def _appear(self, path: Path, content: bytes | None) -> None:
        inode = len(self.contents)
        self.contents[inode] = content
        self._inodes[path] = inode
        self.steps.append(Change(inode, None, self._name(path)))

    def _name(self, path: Path) -> tuple[int, str]:
        return self._inodes[path.parent], path.name


class ForgetfulDisk(RecordingDisk):
    """Never waits for the names in a folder to be safe: a mistake that the tests must notice."""

    def sync(self, folder: Path) -> None:
        """Do nothing."""


class HastyDisk(Disk):
    """Waits for nothing; for looking at what is found after a crash."""

    def write(self, file: Path, content: bytes) -> None:
        file.write_bytes(content)

    def sync(self, folder: Path) -> None:
        """Do nothing."""


@dataclass(slots=True)
class Crash:
    """A power cut after so many steps of a record; `dice` decides what is left of the unsafe ones."""

    disk: RecordingDisk
    after: int
    dice: random.Random
    loss: float = 0.5
    names: dict[tuple[int, str], int] = field(default_factory=dict)
    torn: dict[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        steps = self.disk.steps[: self.after]
        safe: dict[int, int] = {}
        for at, step in enumerate(steps):
            if isinstance(step, Synced):
                for earlier_at, earlier in enumerate(steps[:at]):
                    if isinstance(earlier, Change) and earlier.is_in(step.folder):
                        safe[earlier.inode] = max(safe.get(earlier.inode, 0), earlier_at + 1)
        lost: set[int] = set()
        for at, step in enumerate(steps):
            if not isinstance(step, Change):
                continue
            if at >= safe.get(step.inode, 0) and (step.inode in lost or self.dice.random() < self.loss):
                lost.add(step.inode)
                continue
            if step.lost:
                self.names.pop(step.lost, None)
            if step.got:
                self.names[step.got] = step.inode
        last = steps[-1] if steps else None
        if isinstance(last, Change) and last.lost is None and (content := self.disk.contents[last.inode]):
            # The cut may have come while this file was being written.
            cut = self.dice.choice([*TORN_AT, len(content) // 2, len(content)])
            self.torn[last.inode] = content[:cut]

    def told(self, what: str) -> set[str]:
        """The keys of which the test had been told this before the cut."""
        steps = self.disk.steps[: self.after]
        return {step.key for step in steps if isinstance(step, Mark) and step.what == what}

    def write_to(self, folder: Path, inode: int = ROOT) -> None:
        """Make the disk that is found after the cut."""
        folder.mkdir()
        for (parent, name), child in self.names.items():
            if parent != inode:
                continue
            content = self.disk.contents[child]
            if content is None:
                self.write_to(folder / name, child)
            else:
                descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT, 0o600)
                os.write(descriptor, self.torn.get(child, content))
                os.close(descriptor)
