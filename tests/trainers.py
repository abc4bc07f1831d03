"""Trainer nodes for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from learning_loop_node.settings import LoopSettings, TrainerSettings
from learning_loop_node.trainer.trainer_logic_generic import TrainerLogicGeneric
from learning_loop_node.trainer.trainer_node import TrainerNode
from mock_nodes.mock_trainer.logic import MockTrainer
from tests.builders import make_settings
from tests.clock import HurriedClock
from tests.foreign_loop import PASSWORD, USERNAME
from tests.serving import served

TIMES_FASTER = 50
"""A wait of 5 s takes a tenth."""


@dataclass
class RunningTrainer:
    """A node that answers at `url`."""

    url: str
    node: TrainerNode
    logic: Any


def make_trainer(
    folder: Path,
    host: str = "127.0.0.1:9",
    logic: TrainerLogicGeneric | None = None,
    *,
    username: str = USERNAME,
    password: str = PASSWORD,
    trainer: TrainerSettings | None = None,
    **options: Any,
) -> TrainerNode:
    """A node, not started, whose waits are short; by default a mock trainer."""
    logic = logic or MockTrainer()
    logic.clock = HurriedClock(TIMES_FASTER)
    settings = make_settings(
        folder,
        loop=LoopSettings(host=host, username=username, password=SecretStr(password)),
        trainer=trainer or TrainerSettings(),
    )
    return TrainerNode("test trainer", logic, settings=settings, **options)


@asynccontextmanager
async def running_trainer(
    folder: Path, host: str = "127.0.0.1:9", logic: TrainerLogicGeneric | None = None, **options: Any
) -> AsyncIterator[RunningTrainer]:
    node = make_trainer(folder, host, logic, **options)
    async with served(node) as url:
        yield RunningTrainer(url, node, node.trainer_logic)
