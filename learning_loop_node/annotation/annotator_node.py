"""The annotator node: lets people draw with a tool that runs here, while they look at a page of the loop."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AsyncExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

from ..api.operation import Operation
from ..client.connection import ConnectionState
from ..client.loop import LoopClient
from ..data_classes import AnnotationNodeStatus, Context, SegmentationAnnotation, ToolOutput, UserInput
from ..data_classes.codec import from_dict, to_dict
from ..enums import AnnotationEventType
from ..errors import (
    DeadlineError,
    LoopRefusedError,
    LoopUnreachableError,
    NodeError,
    ToolFailedError,
    ToolTimedOutError,
)
from ..node.node import Node
from ..runtime.deadline import TookTooLong, within
from ..runtime.periodic import Periodic
from ..runtime.raised import sentence_of
from ..runtime.services import Service
from ..settings import Settings
from .annotator_logic import AnnotatorLogic
from .histories import Histories, History
from .image_folder import ImageFolder
from .operations import annotator_operations
from .turns import Turns

ESCAPE = "Escape"
STATUS_ANSWER_S = 10.0
ANNOTATION_ANSWER_S = 30.0
IDLE_CHECK_S = 60.0
CONNECTION_CHECK_S = 0.5
FEWEST_CORNERS = 3
STATUS_ERROR = "tool"
"""Under this key the status has what went wrong with the last input."""


class AnnotatorNode(Node):
    """Lets a tool answer what people do with mouse and keys, each with a history of their own.

    The inputs come from the loop, which has them from the people; what the tool has finished is stored there.
    """

    def __init__(
        self,
        name: str,
        annotator_logic: AnnotatorLogic | Any,
        uuid: str | None = None,
        *,
        settings: Settings | None = None,
    ) -> None:
        super().__init__(name, uuid=uuid, node_type="annotation_node", settings=settings)
        self.tool: Any = annotator_logic
        limits = self.settings.annotator
        self._turns = Turns()
        self.histories = Histories(
            lambda: self.tool.create_empty_history(),
            max_users=limits.max_users,
            idle_s=limits.idle_s,
            is_busy=self._turns.is_busy,
        )
        self._status_report = Periodic(
            "status report",
            self._report_status,
            interval_s=self.repeat_loop_cycle_sec,
            longest_s=10 * self.repeat_loop_cycle_sec,
        )
        self._is_heard = True  # whether the loop took the last status
        self.tool.init(self)

    # --- what operations and programs call; a subclass may override it

    def get_history(self, frontend_id: str) -> History:
        """What the tool remembers of this person."""
        history = self.histories.of(frontend_id)
        for other in self.histories.surplus():
            if other != frontend_id:
                self._forget(other)
        return history

    def reset_history(self, frontend_id: str) -> None:
        """Begin anew with this person."""
        self.histories[frontend_id] = self.tool.create_empty_history()

    async def download_image(self, context: Context, uuid: str) -> Path:
        """Bring an image of the loop into `<data folder>/<organization>/<project>/images`, unless it is there."""
        return await self._images.bring(context, uuid)

    def image_file(self, context: Context, uuid: str) -> Path:
        """Where an image is that has been brought."""
        return self._images.file(context, uuid)

    async def send_status(self) -> None:
        """Tell the loop that we are there; it is told every 5 s."""
        self.status.uptime = self.uptime_s
        try:
            await self.connection.call_checked(
                "update_annotation_node", to_dict(self.status), timeout_s=STATUS_ANSWER_S
            )
        except (DeadlineError, LoopRefusedError):
            self._is_heard = False
            self.connection.give_up()
            raise
        self._is_heard = True

    async def _handle_user_input(self, user_input_dict: dict[str, Any]) -> str:
        user_input = from_dict(UserInput, user_input_dict)
        async with self._turns.of(user_input.frontend_id):
            if _is_escape(user_input):
                self.reset_history(user_input.frontend_id)
                return ""
            output = await self._ask_tool(user_input)
            if output.annotation is not None:
                await self._store(user_input.data.context, output.annotation)
            return output.svg

    async def log_out_user(self, sid: str) -> bool:
        """Forget a person; what the tool says about it."""
        async with self._turns.of(sid):
            self.histories.pop(sid, None)
            try:
                return bool(self.tool.logout_user(sid))
            except Exception as error:
                raise self._failure(error) from error

    # --- inside

    @cached_property
    def status(self) -> AnnotationNodeStatus:
        return AnnotationNodeStatus(id=self.uuid, name=self.name, capabilities=["segmentation"])

    @cached_property
    def _images(self) -> ImageFolder:
        folder, limits = self.settings.node.data_folder, self.settings.annotator
        index = folder / f"annotation_images__{self.uuid}.json"  # several nodes may have one folder
        return ImageFolder(folder, index, self._fetch_image, max_images=limits.max_images)

    def loop_operations(self) -> Iterable[Operation[Any, Any]]:
        return (*super().loop_operations(), *annotator_operations(self))

    def services(self) -> Iterable[Service]:
        idle = Periodic("idle people", self._forget_idle, interval_s=IDLE_CHECK_S, longest_s=IDLE_CHECK_S)
        return (*super().services(), self._status_report, idle)

    async def _fetch_image(self, context: Context, uuid: str) -> bytes:
        return await LoopClient(self.loop_http, context).images.content(uuid)

    async def _open(self, stack: AsyncExitStack) -> None:
        await super()._open(stack)
        await self._images.open()

    def _on_connection_change(self, state: ConnectionState) -> None:
        super()._on_connection_change(state)
        if state is ConnectionState.CONNECTED and self._is_heard:
            self._status_report.wake()

    async def _report_status(self) -> None:
        if self.connection.is_connected:
            await self.send_status()

    async def _ask_tool(self, user_input: UserInput) -> ToolOutput:
        """What the tool makes of an input; with any failure the person's history begins anew."""
        data = user_input.data
        try:
            async with self._images.using(data.context, data.image_uuid):
                await self.download_image(data.context, data.image_uuid)
                output = await self._run_tool(user_input)
        except Exception:
            self._begin_anew(user_input.frontend_id)
            raise
        self.status.reset_error(STATUS_ERROR)
        return output

    async def _run_tool(self, user_input: UserInput) -> ToolOutput:
        longest_s = self.settings.annotator.tool_hang_s
        try:
            history = self.get_history(user_input.frontend_id)
            return await within(longest_s, _output_of(self.tool, user_input, history))
        except TookTooLong as error:
            failure: NodeError = ToolTimedOutError(
                f"the tool {self.name} gave no answer within {longest_s:g} s (ANNOTATION_TOOL_HANG_S of its node)"
            )
            self.status.set_error(STATUS_ERROR, str(failure))
            raise failure from error
        except Exception as error:
            failure = self._failure(error)
            self.status.set_error(STATUS_ERROR, str(failure))
            raise failure from error

    def _failure(self, error: Exception) -> NodeError:
        """What the tool raised, as an error that may be told to the person: ours as it is, others with the line."""
        if isinstance(error, NodeError):
            return error
        self.log.error("the tool %s failed", self.name, exc_info=error)
        return ToolFailedError(f"the tool {self.name} failed: {sentence_of(error)}")

    async def _store(self, context: Context, annotation: SegmentationAnnotation) -> None:
        """Let the loop store an annotation, which may be told twice: its id says that it is the same."""
        arguments = context.organization, context.project, to_dict(annotation)
        until_s = (clock := self.loop_http.clock).now() + ANNOTATION_ANSWER_S
        while True:
            try:
                answer = await self.connection.call(
                    "update_segmentation_annotation", *arguments, timeout_s=ANNOTATION_ANSWER_S
                )
                break
            except LoopUnreachableError:
                if clock.now() >= until_s:
                    raise
                await clock.sleep(CONNECTION_CHECK_S)
        if isinstance(answer, dict) and answer.get("success") is False:
            reason = answer.get("error_msg") or "no reason"
            if (count := len(annotation.shape.points)) < FEWEST_CORNERS:
                reason = f"its outline has {count} corner{'s' * (count != 1)}, and needs at least {FEWEST_CORNERS}"
            raise LoopRefusedError(f"the loop does not store the annotation: {reason}")

    async def _forget_idle(self) -> None:
        for frontend_id in self.histories.idle():
            self._forget(frontend_id)

    def _forget(self, frontend_id: str) -> None:
        """Let go of somebody who has not said that they leave."""
        self.histories.pop(frontend_id, None)
        try:
            self.tool.logout_user(frontend_id)
        except Exception:
            self.log.exception("the tool %s failed to forget a person", self.name)

    def _begin_anew(self, frontend_id: str) -> None:
        try:
            self.reset_history(frontend_id)
        except Exception:
            self.log.exception("the tool %s has no empty history", self.name)
            self.histories.pop(frontend_id, None)


async def _output_of(tool: Any, user_input: UserInput, history: History) -> ToolOutput:
    output: Any = await tool.handle_user_input(user_input, history)
    if not isinstance(getattr(output, "svg", None), str):
        raise TypeError(f"handle_user_input must return a ToolOutput with svg, not {type(output).__name__}")
    return output  # type: ignore[no-any-return]


def _is_escape(user_input: UserInput) -> bool:
    return user_input.data.event_type == AnnotationEventType.KeyUp and user_input.data.key_up == ESCAPE
