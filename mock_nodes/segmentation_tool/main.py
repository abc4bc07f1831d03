r"""Cuts things out of images: drag a box around one, correct it with strokes, press Enter.

It needs OpenCV. After `pip install '.[loop,demo]'` in the checkout, start a loop there:

    learning-loop serve --open --port 8900 --data /tmp/cuts/loop

In a second terminal, in the checkout again, make a project with an image in it, such as some `image.jpg`:

    export LOOP_HOST=127.0.0.1:8900 LOOP_ORGANIZATION=demo LOOP_PROJECT=cuts DATA_FOLDER=/tmp/cuts/node
    curl http://127.0.0.1:8900/api/demo/projects -H 'content-type: application/json' \
      -d '{"project_id": "cuts", "categories": [{"name": "thing", "type": "segmentation"}]}'
    learning-loop upload image.jpg

and start the tool:

    cd mock_nodes/segmentation_tool
    python main.py --host 127.0.0.1 --port 5007

`GET /api/annotation_tools` of the loop lists it; `docs/annotator.md` says how it is driven.
"""

from grab_cut import cut_out
from logic import SegmentationTool

from learning_loop_node import AnnotatorNode
from learning_loop_node.helpers.entrypoint import node_parser, run_node

node = AnnotatorNode(
    name="segmentation tool", annotator_logic=SegmentationTool(cut_out), uuid="00000000-1111-2222-3333-555555555555"
)

if __name__ == "__main__":
    run_node("main:node", node_parser(description=str(__doc__).partition("\n")[0]).parse_args())
