"""Finds faces and eyes in photographs with the cascades of a model from the loop.

pip install 'learning-loop-node[demo]'
LOOP_HOST=127.0.0.1:8000 LOOP_ORGANIZATION=demo LOOP_PROJECT=faces DATA_FOLDER=/tmp/photos python main.py --port 8004
"""

from learning_loop_node import DetectorNode
from learning_loop_node.detector.backends.cascade import CascadeFactory
from learning_loop_node.helpers.entrypoint import node_parser, run_node

node = DetectorNode(name="photo detector", detector_factory=CascadeFactory(tags_version=True))

if __name__ == "__main__":
    run_node("main:node", node_parser(description=__doc__ or "").parse_args())
