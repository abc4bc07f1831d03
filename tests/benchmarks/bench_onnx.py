"""What our detector of ONNX models adds to bare ONNX Runtime and decoding."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from learning_loop_node.data_classes import ModelInformation
from tests.builders import make_category, make_model_information

from .figures import Figure, Goal, Who
from .networks import nano_yolo
from .servers import PROGRAMS, clean_environment
from .turns import Bench

SIDE = 320
"""Of the images that the network takes; for larger ones it is slower, and what we add counts less."""

CATEGORIES = 8
BATCHES = (1, 8)
PAIRS = 120


async def measure(bench: Bench) -> list[Figure]:
    figures = []
    with TemporaryDirectory() as folder:
        write_model(Path(folder))
        for batch in BATCHES:
            turns = [await _run(bench, Path(folder), batch) for _ in range(bench.turns(3))]
            ms = {who: 1000 * statistics.median(seconds for turn in turns for seconds in turn[who]) for who in turns[0]}
            figures.append(
                Figure(
                    what=f"ONNX detector over bare ONNX Runtime and decoding, {SIDE}×{SIDE}, batch {batch}",
                    unit="%",
                    values={Who.OURS: [_more(turn) for turn in turns]},
                    goal=Goal(value=15, is_limit=True),
                    note=f"{ms['ours']:.1f} ms per image of 640×480, bare {ms['bare']:.1f} ms",
                )
            )
    return figures


def write_model(folder: Path) -> ModelInformation:
    """A network with random weights, as a model in a folder."""
    (folder / "model.onnx").write_bytes(nano_yolo(SIDE, CATEGORIES).SerializeToString())
    categories = [make_category(f"category {number}") for number in range(CATEGORIES)]
    information = make_model_information(categories=categories, model_root_path=str(folder))
    information.save()
    return information


def _more(turn: dict[str, list[float]]) -> float:
    """In per cent, from pairs that were measured one right after the other."""
    pairs = zip(turn["ours"], turn["bare"], strict=True)
    return 100 * (statistics.median(ours / bare for ours, bare in pairs) - 1)


async def _run(bench: Bench, folder: Path, batch: int) -> dict[str, list[float]]:
    pairs = 2 if bench.is_quick else PAIRS // batch
    process = await asyncio.create_subprocess_exec(
        sys.executable,  # which has the extra that this needs
        PROGRAMS / "onnx_backend.py",
        *(str(folder), str(batch), str(pairs)),
        env=clean_environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"ONNX: status {process.returncode}")
    found: dict[str, list[float]] = json.loads(output)
    return found
