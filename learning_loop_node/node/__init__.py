"""What all nodes share."""

from .node import Node, NodeConnectionError

__all__ = ["Node", "NodeConnectionError"]
