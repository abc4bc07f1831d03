r"""Finds faces and eyes in photographs with the cascades of a model from the loop.

Its models have the format `opencv_cascade`; those of the demo will do. After `pip install '.[loop,demo]'` in the
checkout, start a loop there:

    learning-loop serve --open --port 8900 --data /tmp/faces/loop

In a second terminal, in the checkout again, make a project, give it a model and start the detector:

    cd mock_nodes/photo_detector
    export LOOP_HOST=127.0.0.1:8900 LOOP_ORGANIZATION=demo LOOP_PROJECT=faces DATA_FOLDER=/tmp/faces/node
    curl http://127.0.0.1:8900/api/demo/projects -H 'content-type: application/json' \
      -d '{"project_id": "faces", "categories": [{"name": "face", "type": "box"}, {"name": "eye", "type": "box"}]}'
    python -m learning_loop_node.demo.models /tmp/faces
    learning-loop models push /tmp/faces/1.1.zip --format opencv_cascade --deploy
    python main.py --host 127.0.0.1 --port 5004

In a third one, with a photograph of somebody as `image.jpg`, ask it once it is ready:

    curl --retry 20 --retry-all-errors --retry-delay 1 --fail http://127.0.0.1:5004/readyz
    curl -F file=@image.jpg http://127.0.0.1:5004/detect
"""

from learning_loop_node import DetectorNode
from learning_loop_node.detector.backends.cascade import CascadeFactory
from learning_loop_node.helpers.entrypoint import node_parser, run_node

node = DetectorNode(name="photo detector", detector_factory=CascadeFactory(tags_version=True))

if __name__ == "__main__":
    run_node("main:node", node_parser(description=str(__doc__).partition("\n")[0]).parse_args())
