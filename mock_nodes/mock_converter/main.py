r"""The shortest possible converter: a logic and a node.

It turns models of `format_a` into `format_b`. After `pip install '.[loop]'` in the checkout, start a loop there:

    learning-loop serve --open --port 8900 --data /tmp/capitals/loop

In a second terminal, in the checkout again, make a project, give it a model, and start the converter:

    cd mock_nodes/mock_converter
    export LOOP_HOST=127.0.0.1:8900 LOOP_ORGANIZATION=demo LOOP_PROJECT=texts DATA_FOLDER=/tmp/capitals/node
    learning-loop projects create --category text
    echo "content of file one" > /tmp/capitals/file_1.txt
    learning-loop models push /tmp/capitals/file_1.txt --format format_a
    python main.py --host 127.0.0.1 --port 5004

In a third one, the model has both formats within seconds:

    learning-loop models list --format format_b
"""

from logic import Capitals

from learning_loop_node import ConverterNode
from learning_loop_node.helpers.entrypoint import node_parser, run_node

node = ConverterNode("mock converter", Capitals("format_a", "format_b"))

if __name__ == "__main__":
    run_node("main:node", node_parser(description=str(__doc__).partition("\n")[0]).parse_args())
