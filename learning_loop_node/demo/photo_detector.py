"""The demo's detector node as a program: `python -m learning_loop_node.demo.photo_detector --port 8004`."""

from __future__ import annotations

from ..detector.backends.cascade import CascadeFactory
from ..detector.detector_node import DetectorNode
from ..runtime.entrypoint import node_parser, run_node

if __name__ == "__main__":
    arguments = node_parser(description="Finds faces and eyes in photographs.").parse_args()
    run_node(DetectorNode("photo detector", CascadeFactory(tags_version=True)), arguments)
