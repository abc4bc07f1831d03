"""Operations that are meant for tests and demos only, off by default (`USE_BACKDOOR_CONTROLS`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from ..api.forms import read_body
from ..api.operation import Http, Nothing, Operation, read_nothing
from ..data_classes import ErrorConfiguration
from ..data_classes.codec import from_dict, from_json
from ..errors import InvalidRequestError, NodeError, RefusedError
from ..node.operations import TEXT_BODY, read_switch, read_text
from ..runtime.threads import io_bound

if TYPE_CHECKING:
    from .trainer_node import TrainerNode

MOST_STEPS = 1000
MAX_CONFIGURATION_BYTES = 100_000


def maintenance_operations(node: TrainerNode) -> list[Operation[Any, Any]]:
    logic: Any = node.trainer_logic

    async def provide_new_model(is_on: bool) -> None:
        _require("provide_new_model")
        logic.provide_new_model = is_on

    async def reset(_: Nothing) -> None:
        await logic.abort()
        await io_bound(logic.last_training_io.delete)
        logic.errors.reset_all()
        try:
            await node.reconnect_to_loop()
        except NodeError as error:
            node.log.warning("%s", error)
        await node.send_status()

    async def configure_errors(configuration: ErrorConfiguration) -> None:
        _require("error_configuration")
        logic.error_configuration = configuration

    async def make_steps(count: int) -> None:
        if not logic.training_active or not logic.training_task or logic.training_task.done():
            raise RefusedError("trainer is not running")
        _require("provide_new_model", "current_iteration")
        before = logic.provide_new_model
        logic.provide_new_model = True
        try:
            for _ in range(count):
                logic.current_iteration += 1
                await logic._sync_training()
        finally:
            logic.provide_new_model = before
        await node.send_status()

    async def kill_training_process(_: Nothing) -> None:
        executor = getattr(logic, "_executor", None)
        if executor is None or not executor.is_running():
            raise RefusedError("no training process is running")
        await executor.stop_and_wait()

    async def force_status_update(_: Nothing) -> None:
        await node.send_status()

    def _require(*names: str) -> None:
        if missing := [name for name in names if not hasattr(logic, name)]:
            raise RefusedError(f"this trainer has no {' and no '.join(missing)}; only a mock trainer has")

    return [
        Operation(
            request=bool,
            run=provide_new_model,
            tag="maintenance",
            summary="Let a mock trainer have a better model from time to time (`on`), or none (`off`)",
            http=Http(method="PUT", path="/provide_new_model", read=read_switch, openapi=TEXT_BODY),
        ),
        Operation(
            request=Nothing,
            run=reset,
            tag="maintenance",
            summary="Abort the training, forget its errors, and connect to the loop anew",
            http=Http(method="POST", path="/reset", read=read_nothing),
        ),
        Operation(
            request=ErrorConfiguration,
            run=configure_errors,
            tag="maintenance",
            summary="Let a mock trainer fail where this says so",
            http=Http(method="PUT", path="/error_configuration", read=_read_configuration),
        ),
        Operation(
            request=int,
            run=make_steps,
            tag="maintenance",
            summary="Let a mock trainer have so many better models at once",
            http=Http(method="POST", path="/steps", read=_read_count, openapi=TEXT_BODY),
        ),
        Operation(
            request=Nothing,
            run=kill_training_process,
            tag="maintenance",
            summary="End the training program; the training goes on as after a stop",
            http=Http(method="POST", path="/kill_training_process", read=read_nothing),
        ),
        Operation(
            request=Nothing,
            run=force_status_update,
            tag="maintenance",
            summary="Tell the loop at once how the trainer is",
            http=Http(method="POST", path="/force_status_update", read=read_nothing),
        ),
    ]


async def _read_configuration(request: Request) -> ErrorConfiguration:
    return from_dict(ErrorConfiguration, from_json(await read_body(request, max_bytes=MAX_CONFIGURATION_BYTES)))


async def _read_count(request: Request) -> int:
    text = await read_text(request)
    if not text.isdecimal() or not 0 < int(text) <= MOST_STEPS:
        raise InvalidRequestError(f"the body must be a number from 1 to {MOST_STEPS}, not {text!r}")
    return int(text)
