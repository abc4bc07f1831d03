"""An ONNX model with 8-bit weights and activations, from one with floats: static quantisation by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ....errors import ConversionRefusedError, MissingExtraError
from ....onnx_models import session  # noqa: F401 - before ONNX Runtime itself, whose notes about its use it switches off

try:
    import onnx
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process
except ImportError as error:
    raise MissingExtraError(
        "models are quantised with onnx and onnxruntime: pip install 'learning-loop-node[quantization]'"
    ) from error

Feeds = Mapping[str, NDArray[Any]]


def quantize(source: Path, target: Path, feeds: Iterable[Feeds], *, work_folder: Path) -> None:
    """Write the quantised model to `target`. `feeds` are inputs by their names, as the model gets them in service.

    They give the range of each activation (its smallest and largest value). Activations become unsigned,
    weights signed bytes, each output channel with a scale of its own; weights use 7 of the 8 bits, since processors
    without VNNI add up pairs of products in 16 bits, which 8 bits overflow. What follows the last convolutions, and
    these themselves, stay float: they hold coordinates and scores, whose range is wide and whose steps are small.

    `ConversionRefusedError` if there is nothing to quantise.
    """
    prepared = work_folder / "prepared.onnx"
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    model = onnx.load(str(prepared), load_external_data=False)
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"node_{number}"  # what stays float is named by it
    onnx.save(model, str(prepared))
    kept = float_nodes(model.graph)
    quantize_static(
        str(prepared),
        str(target),
        _Calibration(feeds),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
        nodes_to_exclude=sorted(kept),
    )


def float_nodes(graph: Any) -> set[str]:
    """The names of the nodes that stay float: those from which no convolution is reached, the last ones included."""
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    if not convolutions:
        raise ConversionRefusedError("the model has no convolutions, so that there is nothing to quantise")
    before: set[str] = set()
    for node in reversed(graph.node):  # in the order of computation, so that readers are known before what they read
        following = [reader for output in node.output for reader in readers.get(output, ())]
        if any(reader.op_type == "Conv" or reader.name in before for reader in following):
            before.add(node.name)
    if not any(node.name in before for node in convolutions):
        raise ConversionRefusedError("the model has one layer of convolutions only; as bytes it would find nothing")
    return {node.name for node in graph.node if node.name not in before}


class _Calibration(CalibrationDataReader):  # type: ignore[misc]
    """Hands out the inputs one after the other."""

    def __init__(self, feeds: Iterable[Feeds]) -> None:
        self._feeds: Iterator[Feeds] = iter(feeds)

    def get_next(self) -> Feeds | None:
        return next(self._feeds, None)
