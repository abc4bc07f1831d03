r"""The shortest annotator that draws: a box, while the mouse is dragged.

After `pip install '.[loop]'` in the checkout, start a loop there:

    learning-loop serve --open --port 8900 --data /tmp/boxes/loop

In a second terminal, in the checkout again, make a project with an image in it, such as some `image.jpg`:

    export LOOP_HOST=127.0.0.1:8900 LOOP_ORGANIZATION=demo LOOP_PROJECT=boxes DATA_FOLDER=/tmp/boxes/node
    curl http://127.0.0.1:8900/api/demo/projects -H 'content-type: application/json' \
      -d '{"project_id": "boxes", "categories": [{"name": "thing", "type": "segmentation"}]}'
    learning-loop upload image.jpg

and start the tool:

    cd mock_nodes/mock_annotator
    python main.py --host 127.0.0.1 --port 5006

`GET /api/annotation_tools` of the loop lists it; `docs/annotator.md` says how it is driven.
"""

from logic import BoxTool

from learning_loop_node import AnnotatorNode
from learning_loop_node.helpers.entrypoint import node_parser, run_node

node = AnnotatorNode(name="mock annotator", annotator_logic=BoxTool(), uuid="00000000-1111-2222-3333-444444444444")

if __name__ == "__main__":
    run_node("main:node", node_parser(description=str(__doc__).partition("\n")[0]).parse_args())
