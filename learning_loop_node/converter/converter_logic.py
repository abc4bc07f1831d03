"""What a user implements to turn models from one format into another."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..data_classes import ModelInformation

Files = Iterable[str | Path] | str | Path | None
"""What `convert` may return: the files that it made, or None for all that lie in the folder."""


class ConverterLogic(ABC):
    """Turns models of one format into another. Derive from it, or write any class with the same members.

    For each model at the loop that has the source format and lacks the target, once, in a process of its own:

    1. `convert(model, folder)` makes the files of the model in its new format.
    2. `check(model, files)` looks at them before they are sent.

    Both may be `async`. The object itself is pickled for that process: keep in it what is plain, and load libraries and
    networks in `convert`. What they raise is shown with the model at the loop, together with the last lines that were
    printed, and tried again when the model or the converter changes, or when somebody asks for it.

        class Halves(ConverterLogic):
            def __init__(self):
                super().__init__("float32", "float16")

            def convert(self, model, folder):
                weights = np.load(Path(model.model_root_path) / "weights.npy")
                np.save(folder / "weights.npy", weights.astype(np.float16))

            def check(self, model, files):
                if not np.isfinite(np.load(files[0])).all():
                    raise ValueError("some weights are too large for float16")

        node = ConverterNode("halves", Halves())
    """

    source_format: str = ""
    target_format: str = ""

    version: str = ""
    """Change it when the converter has changed, and what failed is tried again. Without one, the content of the file
    that holds the class counts."""

    def __init__(self, source_format: str = "", target_format: str = "") -> None:
        self.source_format = source_format or self.source_format
        self.target_format = target_format or self.target_format

    @abstractmethod
    def convert(self, model: ModelInformation, folder: Path) -> Files | Awaitable[Files]:
        """Write the converted model into this empty folder, and return its files, or None for all that lie there.

        `model` says which model it is and what it finds; its files are in `model.model_root_path`. The result is flat:
        no folders in it. A `model.json` is completed, or made, by the node; write one for what differs, such as a
        `resolution`.
        """

    # Not abstract: most have nothing to add to what the node checks.
    def check(self, model: ModelInformation, files: Sequence[Path]) -> Awaitable[None] | None:  # noqa: B027
        """Raise if the converted model is not good. That there are files, and that they can be sent, is known."""


def identity_of(logic: Any) -> str:
    """Name and version of a converter: with another one, what failed is worth another try."""
    return f"{type(logic).__name__} {getattr(logic, 'version', '') or _hash_of_source(type(logic))}".strip()


def _hash_of_source(cls: type) -> str:
    try:
        file = inspect.getsourcefile(cls)
        return sha256(Path(file).read_bytes()).hexdigest()[:12] if file else ""
    except (OSError, TypeError):
        return ""
