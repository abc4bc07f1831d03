r"""A trainer for tests of other programs: its trainings take seconds, and can be told to fail.

After `pip install '.[loop]'` in the checkout, start a loop there:

    learning-loop serve --open --port 8900 --data /tmp/mock/loop

In a second terminal, in the checkout again, start the trainer:

    cd mock_nodes/mock_trainer
    export LOOP_HOST=127.0.0.1:8900 DATA_FOLDER=/tmp/mock/trainer
    python main.py --host 127.0.0.1 --port 5005

It offers the architecture `mocked`. `logic.py` says what its hyperparameters are.
"""

from logic import MockTrainer

from learning_loop_node import TrainerNode
from learning_loop_node.helpers.entrypoint import node_parser, run_node

node = TrainerNode(name="mock trainer", trainer_logic=MockTrainer(), use_backdoor_controls=True)

if __name__ == "__main__":
    run_node("main:node", node_parser(description=str(__doc__).partition("\n")[0]).parse_args())
