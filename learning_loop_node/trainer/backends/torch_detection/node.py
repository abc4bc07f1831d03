"""The trainer node; `python -m learning_loop_node.trainer.backends.torch_detection` serves it."""

from ...trainer_node import TrainerNode
from .logic import TorchDetectionLogic

node = TrainerNode("torch detection trainer", TorchDetectionLogic())
