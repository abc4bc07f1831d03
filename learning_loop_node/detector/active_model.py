"""The model that answers, and its replacement by another one."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ..data_classes import ModelInformation
from ..errors import ModelRefusedError, NodeNeedsRestartError, NoModelError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Empty:
    """No model has been loaded yet."""

    @property
    def reason(self) -> str:
        return "detector not yet initialized"


@dataclass(frozen=True, slots=True)
class Replacing:
    """The old model is gone and the new one is being built."""

    version: str

    @property
    def reason(self) -> str:
        return f"updating model to version {self.version}"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that answers. `logic` is any object with the methods of `DetectorLogic`."""

    logic: Any
    model_info: ModelInformation
    max_batch_size: int = 1


State = Empty | Replacing | Loaded

RunExclusively = Callable[[Callable[[], None]], Awaitable[None]]
"""Runs a function in the inference thread, between two detections."""


class ActiveModel(ABC):
    """Holds the model that answers. Reading `state` is atomic: a detection sees the old model or the new one."""

    def __init__(self, *, run_exclusively: RunExclusively, on_restart: Callable[[], None] = lambda: None) -> None:
        self.state: State = Empty()
        self.swap_count = 0
        self._run_exclusively = run_exclusively
        self._on_restart = on_restart

    @property
    @abstractmethod
    def model_format(self) -> str:
        """The format of model to ask the loop for."""

    @abstractmethod
    async def _build(self, information: ModelInformation) -> None:
        """Make this model the state; what it raises must leave the previous one in `state` where possible."""

    @property
    def loaded(self) -> ModelInformation | None:
        """The model that answers now."""
        return self.state.model_info if isinstance(self.state, Loaded) else None

    def require(self) -> Loaded:
        """The model that answers now; `NoModelError` says why there is none."""
        if isinstance(self.state, Loaded):
            return self.state
        raise NoModelError(self.state.reason)

    async def replace(self, information: ModelInformation) -> None:
        """Build this model and let it answer from now on; after `ModelRefusedError` the previous one serves on.

        A logic that asks for a new process with `NodeNeedsRestartError` gets it.
        """
        try:
            await self._build(information)
        except ModelRefusedError:
            raise
        except NodeNeedsRestartError as error:
            self._on_restart()
            raise ModelRefusedError(f"model {information.version} needs a new process: {error}") from error
        except Exception as error:
            logger.exception("model %s cannot be built", information.version)
            raise ModelRefusedError(
                f"model {information.version} cannot be built: {error or type(error).__name__}"
            ) from error
        self.swap_count += 1
        logger.info("model %s is in use", information.version)


class BuiltByFactory(ActiveModel):
    """Each model gets a logic of its own, built while the old one answers.

    With `exclusive` the old logic is dropped first, for models of which only one fits into memory; requests are refused
    meanwhile, and the old model is built anew if the new one fails.
    """

    def __init__(
        self,
        factory: Any,
        *,
        run_exclusively: RunExclusively,
        on_restart: Callable[[], None] = lambda: None,
        exclusive: bool = False,
    ) -> None:
        super().__init__(run_exclusively=run_exclusively, on_restart=on_restart)
        self._factory = factory
        self._exclusive = exclusive

    @property
    def model_format(self) -> str:
        return str(self._factory.model_format)

    async def _build(self, information: ModelInformation) -> None:
        if not self._exclusive:
            self.state = await self._load(information)
            return
        former = self.loaded
        await self._run_exclusively(lambda: self._drop_for(information.version))
        try:
            self.state = await self._load(information)
        except Exception:
            self.state = await self._load_again(former)
            raise

    def _drop_for(self, version: str) -> None:
        self.state = Replacing(version)

    async def _load(self, information: ModelInformation) -> Loaded:
        logic = await self._factory.build(information)
        if not hasattr(logic, "evaluate"):
            raise ModelRefusedError(
                f"build() of {type(self._factory).__name__} must return a DetectorLogic, not {logic!r}"
            )
        size = getattr(self._factory, "max_batch_size", None) or getattr(logic, "max_batch_size", None) or 1
        return Loaded(logic, information, int(size))

    async def _load_again(self, former: ModelInformation | None) -> State:
        if former is None:
            return Empty()
        try:
            return await self._load(former)
        except Exception:
            logger.exception("the previous model %s cannot be built again either", former.version)
            return Empty()


class OneLogic(ActiveModel):
    """One logic of the user serves model after model: `init()` is called again, in the inference thread."""

    def __init__(
        self, logic: Any, *, run_exclusively: RunExclusively, on_restart: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(run_exclusively=run_exclusively, on_restart=on_restart)
        self._logic = logic

    @property
    def model_format(self) -> str:
        return str(getattr(self._logic, "model_format", ""))

    async def _build(self, information: ModelInformation) -> None:
        await self._run_exclusively(lambda: self._init(information))

    def _init(self, information: ModelInformation) -> None:
        former = self.loaded
        try:
            self._load(information)
        except Exception:
            self._load_again(former)
            raise

    def _load(self, information: ModelInformation) -> None:
        self._logic.model_info = information
        self._logic.init()
        self.state = Loaded(self._logic, information, int(getattr(self._logic, "max_batch_size", None) or 1))

    def _load_again(self, former: ModelInformation | None) -> None:
        """Meanwhile requests wait, as during any `init()`; they are refused only if there is no way back."""
        self._logic.model_info = former
        if former is None:
            return
        try:
            self._load(former)
        except Exception:
            self.state = Empty()
            logger.exception("the previous model %s cannot be loaded again either", former.version)
