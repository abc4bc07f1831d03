"""The shortest possible detector: a logic, a factory, a node.

LOOP_HOST=127.0.0.1:8000 LOOP_ORGANIZATION=demo LOOP_PROJECT=spots DATA_FOLDER=/tmp/spots python main.py --port 8004
"""

from logic import BrightestSpotFactory

from learning_loop_node import DetectorNode
from learning_loop_node.helpers.entrypoint import node_parser, run_node

node = DetectorNode(name="mock detector", detector_factory=BrightestSpotFactory())

if __name__ == "__main__":
    run_node("main:node", node_parser(description=__doc__ or "").parse_args())
