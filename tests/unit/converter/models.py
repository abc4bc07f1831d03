"""A loop in memory, for converters."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from learning_loop_node.client.conversions import ConversionEntry, Converter
from learning_loop_node.converter.wanted import Wanted
from learning_loop_node.data_classes import Category, Context, ModelInformation
from learning_loop_node.errors import LoopRefusedError, LoopUnreachableError, NodeError
from learning_loop_node.runtime.isolated import Limits
from learning_loop_node.runtime.threads import io_bound
from tests.builders import make_category
from tests.models import zip_of

CONTEXT = Context(organization="zauberzeug", project="demo")
SHA = "ab" * 32


@dataclass
class ModelsInMemory:
    """Models by their ids, each with its formats; `is_recording` says whether it keeps conversions, as our loop does.

    `trouble` is raised once by the method of that name; `lost_answers` is how many uploads are stored but not answered.
    """

    is_recording: bool = True
    formats: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    problems: dict[str, ConversionEntry] = field(default_factory=dict)
    claims: dict[str, Converter] = field(default_factory=dict)
    archive: bytes = field(default_factory=lambda: zip_of({"weights.txt": "weights"}))
    sha256: str = SHA
    requests: list[str] = field(default_factory=list)
    trouble: dict[str, NodeError] = field(default_factory=dict)
    lost_answers: int = 0

    def add(self, model_id: str) -> None:
        self.formats[model_id] = {"format_a": {}}

    def remove(self, model_id: str) -> None:
        del self.formats[model_id]

    def ask_again(self, model_id: str) -> None:
        del self.problems[model_id]

    async def contexts(self) -> Sequence[Context]:
        self._note("contexts", "")
        return [CONTEXT]

    async def wanted(self, context: Context) -> Sequence[Wanted]:
        self._note("wanted", "")
        return [
            Wanted(
                context=context,
                model_id=model_id,
                version="1.0",
                host="localhost",
                source_format="format_a",
                target_format="format_b",
                source_sha256=self.sha256 if self.is_recording else None,
                is_recorded=self.is_recording,
                problem=self.problems.get(model_id),
            )
            for model_id, formats in self.formats.items()
            if "format_b" not in formats
        ]

    async def begin(self, wanted: Wanted, converter: Converter) -> bool:
        self._note("begin", wanted.model_id)
        if self.claims.get(wanted.model_id, converter).node_id != converter.node_id:
            return False
        self.claims[wanted.model_id] = converter
        self.problems.pop(wanted.model_id, None)
        return "format_b" not in self._model(wanted)

    async def fail(self, wanted: Wanted, converter: Converter, *, error: str, code: str) -> None:
        self._note("fail", wanted.model_id)
        self.problems[wanted.model_id] = ConversionEntry(
            format="format_b",
            state="failed",
            error=error,
            code=code,
            converter=converter.converter,
            source_sha256=converter.source_sha256,
        )

    async def download(self, wanted: Wanted, archive: Path) -> None:
        self._note("download", wanted.model_id)
        self._model(wanted)
        await io_bound(archive.write_bytes, self.archive)

    async def upload(self, wanted: Wanted, files: Sequence[Path]) -> bool:
        self._note("upload", wanted.model_id)
        formats = self._model(wanted)
        if "format_b" in formats:
            return False
        formats["format_b"] = {file.name: file.read_bytes() for file in files}
        if self.lost_answers:
            self.lost_answers -= 1
            raise LoopUnreachableError("the answer was lost")
        return True

    async def categories(self, context: Context) -> Sequence[Category]:
        return [make_category()]

    def _model(self, wanted: Wanted) -> dict[str, dict[str, bytes]]:
        if wanted.model_id not in self.formats:
            raise LoopRefusedError("there is no such model", status=404)
        return self.formats[wanted.model_id]

    def _note(self, method: str, model_id: str) -> None:
        self.requests.append(f"{method} {model_id}".strip())
        if (error := self.trouble.pop(method, None)) is not None:
            raise error


@dataclass
class InPlace:
    """Stands in for the process of a conversion; `error` is raised instead, each time; it waits for `gate`."""

    error: NodeError | None = None
    converted: list[str] = field(default_factory=list)
    limits: list[Limits] = field(default_factory=list)
    gate: asyncio.Event | None = None

    async def __call__(
        self, logic: Any, model: ModelInformation, folder: Path, process_folder: Path, limits: Limits
    ) -> list[str]:
        self.converted.append(model.id)
        self.limits.append(limits)
        assert model.model_root_path
        weights = (Path(model.model_root_path) / "weights.txt").read_text()
        (folder / "weights.txt").write_text(weights.upper())
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return ["weights.txt"]
