"""Writes a model as ONNX, and makes sure that it says there what it says in PyTorch.

As a program it exports the best model of a training that was stopped: `python -m …torch_detection.export FOLDER`.
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from ....errors import CriticalError, NodeError
from ....onnx_models.session import CPU, open_session
from ....runtime.files import replace_file
from .checkpoints import Checkpoint
from .family import family_named
from .plan import ResultFolder

logger = logging.getLogger(__name__)

INPUT, OUTPUT = "images", "output0"
OPSET = 18
PRODUCER = "learning-loop-node"
BOX_TOLERANCE, SCORE_TOLERANCE = 1.0, 0.001
"""How far a box may be off in pixels, and a score."""

BATCHES = (1, 3)
"""Numbers of images with which the result is tried."""


def export_onnx(checkpoint: Checkpoint, file: Path) -> None:
    """One file for any number of images, with the names of its classes; normalisations are part of the convolutions.

    `CriticalError` if ONNX Runtime gives other results than PyTorch.
    """
    model = family_named(checkpoint.family).exportable(checkpoint.build())
    example = torch.zeros(2, 3, checkpoint.size.height, checkpoint.size.width)
    graph = _graph(model, example)
    for key, text in _metadata(checkpoint).items():
        entry = graph.metadata_props.add()
        entry.key, entry.value = key, text
    onnx.checker.check_model(graph, full_check=True)
    aside = file.with_name(f".{file.name}.part")
    aside.write_bytes(graph.SerializeToString())
    try:
        _compare(model, aside, example.shape[1:])
        replace_file(file, aside.read_bytes())
    finally:
        aside.unlink()
    logger.info("%s has %.1f MB and says what the model says in PyTorch", file.name, file.stat().st_size / 1e6)


def _graph(model: nn.Module, example: torch.Tensor) -> onnx.ModelProto:
    with warnings.catch_warnings(), torch.no_grad():
        # PyTorch's exporter uses parts of Python and of itself that are about to change.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=FutureWarning)
        program = torch.onnx.export(
            model,
            (example,),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            opset_version=OPSET,
            dynamo=True,
            optimize=True,
            verbose=False,
        )
    assert program is not None
    graph = program.model_proto
    graph.producer_name = PRODUCER
    for node in graph.graph.node:
        del node.metadata_props[:]
    return graph


def _metadata(checkpoint: Checkpoint) -> Mapping[str, str]:
    """In the notation of those who made this layout, so that their tools read it, too."""
    return {
        "names": str(dict(enumerate(checkpoint.class_names))),
        "task": "detect",
        "stride": "32",
        "imgsz": str([checkpoint.size.height, checkpoint.size.width]),
    }


def _compare(model: nn.Module, file: Path, shape: torch.Size) -> None:
    session = open_session(file, [CPU], threads=1)
    rng = np.random.default_rng(0)
    for count in BATCHES:
        images = rng.random((count, *shape), np.float32)
        with torch.no_grad():
            expected = model(torch.from_numpy(images)).numpy()
        [found] = session.run([OUTPUT], {INPUT: images})
        if found.shape != expected.shape:
            raise CriticalError(
                f"the exported model gives {found.shape} for {count} images instead of {expected.shape}"
            )
        differences = np.abs(found - expected)
        box, score = float(differences[:, :4].max()), float(differences[:, 4:].max())
        if not (box <= BOX_TOLERANCE and score <= SCORE_TOLERANCE):
            raise CriticalError(
                f"with {count} images the exported model differs from PyTorch: boxes by {box:.3g} pixels, scores by "
                f"{score:.3g}"
            )


def log_to_stdout() -> None:
    """For programs: what we say, and of libraries only what went wrong."""
    logging.basicConfig(level=logging.ERROR, format="%(message)s", stream=sys.stdout)
    for name in ("__main__", __package__):
        logging.getLogger(name).setLevel(logging.INFO)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Exports the best model of a training in a folder.")
    parser.add_argument("folder", type=Path)
    result = ResultFolder(parser.parse_args(arguments).folder)
    log_to_stdout()
    try:
        export_onnx(Checkpoint.load(result.best), result.onnx)
    except NodeError as error:
        raise SystemExit(f"the model cannot be exported: {error}") from error


if __name__ == "__main__":
    main()
