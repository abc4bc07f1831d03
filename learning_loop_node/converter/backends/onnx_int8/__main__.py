"""Gives ONNX models at a loop an 8-bit version, and tells in its model.json what that costs and saves.

    python -m learning_loop_node.converter.backends.onnx_int8 --host 127.0.0.1 --port 5006

`LOOP_HOST` and the like say which loop; see the reference.
"""

from ....runtime.entrypoint import node_parser, run_node

if __name__ == "__main__":
    run_node(f"{__package__}.node:node", node_parser(description=str(__doc__).partition("\n")[0]).parse_args())
