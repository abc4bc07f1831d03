"""The detector node: wiring, nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, chdir, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..data_classes import (
    AboutResponse,
    Context,
    DetectorStatus,
    ImageMetadata,
    ImagesMetadata,
    ModelInformation,
    ModelVersionResponse,
)
from ..enums import Autoupload, NodeState, OperationMode, OutboxMode, VersionMode
from ..errors import InvalidImageError, NodeError, NoModelError, SettingError, TooLargeError
from ..images import ImageInput
from ..node.node import Node
from ..runtime.periodic import Periodic
from ..runtime.services import Service
from ..settings import Settings
from .active_model import ActiveModel, BuiltByFactory, Empty, Loaded, OneLogic, Replacing, State
from .detection_lock import DetectionLock
from .detector_logic import DetectorLogic, DetectorLogicFactory
from .inference import Inference
from .intake import Intake
from .maintenance import maintenance_operations
from .metrics import detector_metrics
from .model_store import ModelStore
from .model_updates import ModelUpdates
from .operations import detector_operations
from .outbox.folder_store import FolderStore
from .outbox.outbox import Outbox
from .outbox.uploader import Uploader
from .relevance.filter import RelevanceFilter
from .relevance.rule import Rule
from .reload import Reload
from .stamp import fix_shape_detections, stamped, with_category_ids

DetectorUnavailableError = NoModelError
_ActiveDetector = Loaded
_Initializing = Empty
_Updating = Replacing

RESTART_FILES = ("/app/app_code/restart/restart.py", "/app/main.py", "/main.py")
"""A server with `reload=True` starts anew when one of these changes."""

LAST_STATUS_S = 0.5
"""How long the end may wait for the loop to take the last status."""


class DetectorNode(Node):
    """Answers which objects are in an image, and keeps the images worth a human's look.

    Give it a `DetectorLogicFactory` (each model gets a logic of its own) or a `DetectorLogic` (one object serves model
    after model), either as second argument or as `detector=`. `rules` replace the default rules of the relevance
    filter.
    """

    def __init__(
        self,
        name: str,
        detector_factory: DetectorLogicFactory | DetectorLogic | Any = None,
        uuid: str | None = None,
        use_backdoor_controls: bool = False,
        *,
        detector: DetectorLogic | DetectorLogicFactory | Any = None,
        settings: Settings | None = None,
        rules: Sequence[Rule] | None = None,
    ) -> None:
        super().__init__(name, uuid=uuid, node_type="detector", needs_login=False, needs_sio=False, settings=settings)
        plugged = detector_factory if detector_factory is not None else detector
        settings = self.settings
        self.organization, self.project = settings.loop.organization, settings.loop.project
        for variable, value in (("LOOP_ORGANIZATION", self.organization), ("LOOP_PROJECT", self.project)):
            if not value:
                raise SettingError(f"{variable} is not set: a detector needs to know the project it works for")
        self._context = context = Context(organization=self.organization, project=self.project)

        self.operation_mode = OperationMode.Startup
        self.inference = Inference(
            settings.detector, require=lambda: self.active_model.require(), on_restart=self._restart
        )
        self.active_model = self._plug_in(plugged)
        self.detector_logic = None if hasattr(plugged, "build") else plugged
        self.detection_lock = DetectionLock(self.inference)
        self.model_store = ModelStore(settings.node.data_folder)
        self.model_updates = ModelUpdates(
            store=self.model_store,
            client=self.loop_client,
            host=self.active_model,
            model_format=self.active_model.model_format,
            context=context,
            settings=settings.detector,
            is_idle=lambda: self.operation_mode == OperationMode.Idle and not self.is_muted,
            on_change=lambda: self._status_report.wake(),
        )
        self.outbox = Outbox(FolderStore(settings.node.data_folder / "outbox"), settings)
        self.relevance_filter = RelevanceFilter(self.outbox, rules=rules, settings=settings.detector)
        self.intake = Intake(self.relevance_filter, self.outbox)
        self._uploader = Uploader(self.outbox, self.loop_http, context)
        self._reload = Reload(self.soft_reload)
        status_interval_s = settings.detector.sync_cycles * self.repeat_loop_cycle_sec
        self._status_report = Periodic(
            "status report", self._send_status, interval_s=status_interval_s, longest_s=max(60, status_interval_s)
        )
        self._is_heard = False  # whether the loop took the last status
        self._add(detector_operations(self))
        self.metrics.add(detector_metrics(self))
        if use_backdoor_controls or settings.node.use_backdoor_controls:
            self._add(maintenance_operations(self))

    # --- what operations and programs call; a subclass may override it

    async def get_detections(
        self,
        image: ImageInput,
        tags: list[str],
        *,
        camera_id: str | None = None,
        source: str | None = None,
        autoupload: str = Autoupload.FILTERED,
        creation_date: str | None = None,
    ) -> ImageMetadata:
        """What is in an image: encoded bytes, or an array `(H, W, 3)` uint8 RGB.

        With `autoupload='all'` the image is safe on disk when this returns; `filtered` is decided afterwards.
        """
        detected = await self.inference.detect([image])
        metadata = stamped(detected.items[0], tags, source, creation_date)
        await self._keep(image, metadata, camera_id, autoupload)
        return metadata

    async def get_batch_detections(
        self,
        images: Sequence[ImageInput],
        tags: list[str],
        *,
        camera_id: str | None = None,
        source: str | None = None,
        autoupload: str = Autoupload.FILTERED,
        creation_date: str | None = None,
    ) -> ImagesMetadata:
        """What is in several images, found with one call of `batch_evaluate`."""
        detected = await self.inference.detect(images, explicit_batch=True)
        items = [stamped(item, tags, source, creation_date) for item in detected.items]
        for image, metadata in zip(images, items, strict=True):
            await self._keep(image, metadata, camera_id, autoupload)
        return ImagesMetadata(items=items)

    async def upload_images(
        self,
        *,
        images: Sequence[ImageInput],
        images_metadata: ImagesMetadata | None = None,
        upload_priority: bool = False,
    ) -> None:
        """Keep images for the loop. They are safe on disk when this returns; if one cannot be decoded, none is kept."""
        items = images_metadata.items if images_metadata else [ImageMetadata() for _ in images]
        if len(items) != len(images):
            raise ValueError(f"{len(images)} images but {len(items)} metadata: there must be one for each")
        checked = await self._checked(images)
        categories = self.active_model.loaded.categories if self.active_model.loaded else []
        for image, metadata in zip(checked, items, strict=True):
            known = with_category_ids(metadata, categories) if categories else metadata
            marked = stamped(known, ["picked_by_system"], known.source, known.created)
            await self.outbox.save(image, marked, upload_priority)

    async def set_operation_mode(self, mode: OperationMode) -> None:
        """Allow model changes (`idle`) or not."""
        self.operation_mode = OperationMode(mode)
        self._status_report.wake()

    async def set_model_version_mode(self, version_control_mode: str) -> None:
        """`follow_loop`, `pause`, or a version such as `1.3`."""
        await self.model_updates.set_version_mode(version_control_mode)
        self._status_report.wake()

    async def soft_reload(self) -> None:
        """Reset the modes and build the model anew; the old one answers until the new one is ready."""
        self.operation_mode = OperationMode.Idle
        await self.outbox.set_mode(OutboxMode.CONTINUOUS_UPLOAD)
        await self.model_updates.set_version_mode(self.settings.detector.version_control_default)
        self.model_updates.retry()
        if self.active_model.loaded is not None:
            await self.active_model.replace(self.active_model.loaded)
        self._status_report.wake()

    def reload_soon(self) -> None:
        """Do a soft reload in the background."""
        self._reload.soon()

    def reload(self, reason: str) -> None:
        """Start the process anew, where a server with `reload=True` or a container runs it."""
        self.log.info("restart: %s", reason)
        for file in map(Path, RESTART_FILES):
            if file.is_file():
                file.touch()
                return
        self.termination.end(0)

    def get_about_response(self) -> AboutResponse:
        return AboutResponse(
            operation_mode=self.operation_mode.value,
            state=self.status.state.value,
            model_info=self.active_model.loaded,
            target_model=_version_of(self.target_model),
            version_control=self.version_control.value,
        )

    def get_model_version_response(self) -> ModelVersionResponse:
        return ModelVersionResponse(
            current_version=_version_of(self.active_model.loaded) or "None",
            target_version=_version_of(self.target_model) or "None",
            loop_version=_version_of(self.loop_deployment_target) or "None",
            local_versions=self.model_store.local_versions(),
            version_control=self.version_control.value,
        )

    def get_counts(self) -> dict[str, Any]:
        """What happened since the start, for people and for scripts."""
        return {
            "model_version": _version_of(self.active_model.loaded),
            "model_swaps": self.active_model.swap_count,
            "detection": asdict(self.inference.counts) | {"waiting": self.inference.pending},
            "relevance": {
                "waiting": self.intake.waiting_count,
                "kept": self.intake.kept_count,
                "not_relevant": self.intake.not_relevant_count,
                "causes": dict(self.intake.kept),
                "dropped": dict(self.intake.dropped),
                "failed": dict(self.relevance_filter.rule_failures),
            },
            "outbox": asdict(self.outbox.status()),
            "errors": self._errors(),
        }

    def add_category_id_to_detections(
        self, model_info: ModelInformation, image_metadata: ImageMetadata
    ) -> ImageMetadata:
        """Fill in the ids of categories by their names, in place."""
        filled = with_category_ids(image_metadata, model_info.categories)
        for name in ("box", "point", "segmentation", "classification"):
            setattr(image_metadata, f"{name}_detections", getattr(filled, f"{name}_detections"))
        return image_metadata

    # --- state by its old names

    @property
    def version_control(self) -> VersionMode:
        return self.model_updates.version_control

    @property
    def target_model(self) -> ModelInformation | None:
        return self.model_updates.target_model

    @property
    def loop_deployment_target(self) -> ModelInformation | None:
        return self.model_updates.loop_deployment_target

    @property
    def _detector(self) -> State:
        return self.active_model.state

    @_detector.setter
    def _detector(self, state: State) -> None:
        self.active_model.state = state

    @property
    def no_model_text(self) -> str:
        """What `info` answers while there is no model."""
        state = self.active_model.state
        return f"Updating model to version {state.version}" if isinstance(state, Replacing) else "No model loaded"

    # --- inside

    def services(self) -> Iterable[Service]:
        return (
            *super().services(),
            self.inference,
            self.intake,
            self._uploader,
            self.model_updates,
            self._status_report,
            self._reload,
        )

    def readiness(self) -> dict[str, str]:
        missing = super().readiness()
        if self.active_model.loaded is None:
            reason = self.model_updates.errors.get("update_model") or self.model_updates.target_problem
            missing["model"] = f"{self.no_model_text}: {reason}" if reason else self.no_model_text
        if self.inference.is_hanging:
            missing["inference"] = "the detector logic does not return (INFERENCE_HANG_S)"
        return missing

    def _errors(self) -> dict[str, str]:
        """What keeps the wanted model from serving; the loop, which knows its own part, is told less."""
        problem = self.model_updates.target_problem
        return self.model_updates.errors | ({"deployment_target": problem} if problem else {})

    async def _open(self, stack: AsyncExitStack) -> None:
        await self.outbox.open()
        stack.push_async_callback(self.outbox.aclose)
        self.inference.open()
        stack.push_async_callback(self.inference.aclose)
        await self.model_updates.load_current()
        self.operation_mode = OperationMode.Idle

    async def _before_close(self) -> None:
        await self.intake.drain()
        if self._is_heard:
            with suppress(NodeError, TimeoutError):
                async with asyncio.timeout(LAST_STATUS_S):
                    await self._send_status(NodeState.Offline)

    def _plug_in(self, plugged: Any) -> ActiveModel:
        if hasattr(plugged, "build"):
            return BuiltByFactory(
                plugged,
                run_exclusively=self.inference.run_exclusively,
                on_restart=self._restart,
                exclusive=self.settings.detector.exclusive_model_build,
            )
        if hasattr(plugged, "evaluate"):
            return OneLogic(plugged, run_exclusively=self.inference.run_exclusively, on_restart=self._restart)
        raise TypeError(
            f"DetectorNode needs an object with build() (a DetectorLogicFactory) or with evaluate() (a DetectorLogic), "
            f"not {plugged!r}"
        )

    def _restart(self) -> None:
        self.termination.end(0)

    async def _keep(self, image: ImageInput, metadata: ImageMetadata, camera_id: str | None, autoupload: str) -> None:
        match autoupload:
            case Autoupload.FILTERED:
                self.intake.put(image, metadata, camera_id)
            case Autoupload.ALL:
                await self.outbox.save(image, metadata)
            case Autoupload.DISABLED:
                pass
            case _:
                self.log.error("unknown autoupload %r, the image is not kept", autoupload)

    async def _checked(self, images: Sequence[ImageInput]) -> list[ImageInput]:
        checked = []
        for index, image in enumerate(images):
            try:
                checked.append(await self.outbox.checked(image))
            except (InvalidImageError, TooLargeError) as error:
                raise type(error)(f"image {index + 1} of {len(images)}: {error}; none was kept") from error
        return checked

    async def _send_status(self, state: NodeState | None = None) -> None:
        if self.is_muted:
            return
        self._is_heard = False
        await self.loop_client.detectors.report(
            DetectorStatus(
                uuid=self.uuid,
                name=self.name,
                state=state or self.status.state,
                uptime=self.uptime_s,
                model_format=self.active_model.model_format,
                current_model=_version_of(self.active_model.loaded),
                target_model=_version_of(self.target_model),
                errors={**self.status.errors, **self.model_updates.errors},
                operation_mode=self.operation_mode.value,
                node_version=self.settings.detector.node_version,
            ),
        )
        self._is_heard = True


def step_into(new_dir: str) -> AbstractContextManager[None]:
    """A context in which the working directory is another one, as programs for older versions use it."""
    return chdir(new_dir)


def _unwrap_detector(state: State) -> Loaded:
    if isinstance(state, Loaded):
        return state
    raise NoModelError(state.reason)


def _version_of(information: ModelInformation | None) -> str | None:
    return information.version if information else None


__all__ = ["DetectorNode", "DetectorUnavailableError", "fix_shape_detections", "step_into"]
