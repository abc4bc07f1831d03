"""The converter node; `python -m learning_loop_node.converter.backends.onnx_int8` serves it."""

from ...converter_node import ConverterNode
from .logic import OnnxToInt8

node = ConverterNode("onnx to int8", OnnxToInt8())
