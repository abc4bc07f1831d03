"""Trains detectors of boxes and points for a loop, on the GPU or, if there is none, on the CPU.

    python -m learning_loop_node.trainer.backends.torch_detection --host 127.0.0.1 --port 5005

`LOOP_HOST` and the like say which loop; see the reference.
"""

from ....runtime.entrypoint import node_parser, run_node

if __name__ == "__main__":
    run_node(f"{__package__}.node:node", node_parser(description=str(__doc__).partition("\n")[0]).parse_args())
