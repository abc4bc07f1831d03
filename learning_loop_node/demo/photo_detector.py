"""The demo's detector node as a program of its own: `python -m learning_loop_node.demo.photo_detector --port 8004`."""

from __future__ import annotations

from ..detector.backends.cascade import CascadeFactory
from ..detector.detector_node import DetectorNode
from ..runtime.entrypoint import node_parser, run_node

node = DetectorNode("photo detector", CascadeFactory(tags_version=True))

if __name__ == "__main__":
    run_node(f"{__spec__.name}:node", node_parser(description=str(__doc__)).parse_args())
