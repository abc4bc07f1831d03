r"""The shortest possible detector: a logic, a factory, a node.

Its models have the format `mocked`, of which only the categories count: any file will do. After
`pip install '.[loop]'` in the checkout, start a loop there:

    learning-loop serve --open --port 8900 --data /tmp/spots/loop

In a second terminal, in the checkout again, make a project, give it a model and start the detector:

    cd mock_nodes/mock_detector
    export LOOP_HOST=127.0.0.1:8900 LOOP_ORGANIZATION=demo LOOP_PROJECT=spots DATA_FOLDER=/tmp/spots/node
    curl http://127.0.0.1:8900/api/demo/projects -H 'content-type: application/json' \
      -d '{"project_id": "spots", "categories": [{"name": "spot", "type": "point"}]}'
    learning-loop models push logic.py --format mocked --deploy
    python main.py --host 127.0.0.1 --port 5004

In a third one, with some photograph `image.jpg`, ask it once it is ready:

    curl --retry 20 --retry-all-errors --retry-delay 1 --fail http://127.0.0.1:5004/readyz
    curl -F file=@image.jpg http://127.0.0.1:5004/detect
"""

from logic import BrightestSpotFactory

from learning_loop_node import DetectorNode
from learning_loop_node.helpers.entrypoint import node_parser, run_node

node = DetectorNode(name="mock detector", detector_factory=BrightestSpotFactory())

if __name__ == "__main__":
    run_node("main:node", node_parser(description=str(__doc__).partition("\n")[0]).parse_args())
