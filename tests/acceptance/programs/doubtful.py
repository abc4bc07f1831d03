"""A detector whose boxes are all uncertain, as a program; see `test_detector_process.py`.

python -m uvicorn tests.acceptance.programs.doubtful:node | python -m tests.acceptance.programs.doubtful --port 0
"""

from __future__ import annotations

from learning_loop_node import DetectorNode
from learning_loop_node.helpers.entrypoint import node_parser, run_node
from tests.nodes import BoxesFactory

node = DetectorNode(name="doubtful", detector_factory=BoxesFactory(confidence=0.45))

if __name__ == "__main__":
    run_node(f"{__spec__.name}:node", node_parser(description=__doc__ or "").parse_args())
