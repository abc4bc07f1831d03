"""What all nodes share."""

from ..errors import LoopUnreachableError as NodeConnectionError
from .node import Node

__all__ = ["Node", "NodeConnectionError"]
