"""`learning-loop detector`: a detector node for ONNX models, without a program."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .output import stderr

if TYPE_CHECKING:
    from ..data_classes import Category
    from ..detector.detector_node import DetectorNode
    from ..onnx_models.model import OnnxModel
    from ..settings import Settings

SHOWN = 8
"""So many categories are named."""

LOCAL = "local"
"""Organization and project of a node that works for no loop."""


def detector(
    model: Annotated[
        Path | None,
        typer.Option(help="An ONNX file, or a folder with one; else the model of the loop.", show_default=False),
    ] = None,
    categories: Annotated[
        str, typer.Option(help="What it finds, in its order, such as car,wheel:point.", show_default=False)
    ] = "",
    onnx: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="How it is read, such as layout=yolov5.", show_default=False),
    ] = None,
    resolution: Annotated[
        int | None,
        typer.Option(min=1, help="Side of its images, where they may have any size.", show_default=False),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 means all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8004,
    data: Annotated[
        Path | None, typer.Option(help="Folder in which the node keeps everything [DATA_FOLDER].", show_default=False)
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the node.")] = "onnx detector",
    model_format: Annotated[str, typer.Option("--format", help="Format of the models at the loop.")] = "onnx",
) -> None:
    """Run a detector node with an ONNX model: a file of your own, or what the loop deploys.

    With a file it needs no loop. The categories are those of the model.json beside it, or of the file itself, where
    they name some. Where LOOP_ORGANIZATION and LOOP_PROJECT are set, images that the node keeps go to that project.
    """
    from ..errors import SettingError
    from ..runtime.entrypoint import run_node
    from ..settings import load_settings

    settings = load_settings()
    address = argparse.Namespace(host=host, port=port)
    if model is None:
        if categories or onnx or resolution:
            raise SettingError(
                "--categories, --onnx and --resolution are about a file of your own: name it with --model"
            )
        run_node(_following_node(settings if data is None else _in_folder(settings, data), name, model_format), address)
        return
    opened = _opened(model, _categories(categories), onnx or [], resolution, settings)
    with ExitStack() as stack:
        folder = data or _usual_folder(settings)
        is_kept = folder is not None
        if folder is None:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="detector-")))
        node = _own_node(opened, _in_folder(settings, folder), name, keeps_images=is_kept)
        _tell(opened, folder if is_kept else None, f"http://{host}:{port or 'PORT'}")
        run_node(node, address)


def _following_node(settings: Settings, name: str, model_format: str) -> DetectorNode:
    """A node that serves what the loop deploys."""
    from ..detector.backends.onnx import OnnxFactory
    from ..detector.detector_node import DetectorNode

    return DetectorNode(name, OnnxFactory(settings.onnx, model_format=model_format), settings=settings)


def _own_node(model: OnnxModel, settings: Settings, name: str, *, keeps_images: bool) -> DetectorNode:
    """A node that serves this model, whatever the loop deploys; where no loop is told it leaves all loops alone."""
    from ..data_classes import Context
    from ..data_classes.codec import to_dict
    from ..detector.backends.onnx import OnnxDetector, OnnxFactory
    from ..detector.detector_node import DetectorNode
    from ..detector.own_model import install_own_model
    from ..enums import VersionMode

    class OwnNode(DetectorNode):
        async def on_startup(self) -> None:
            if is_local:
                await self.outbox.ensure_continuous_upload_stopped()

    is_local = not (settings.loop.organization and settings.loop.project)
    if is_local:
        settings = _changed(
            settings, loop={"organization": LOCAL, "project": LOCAL}, node={"skip_repeat_on_start": True}
        )
    settings = _changed(settings, detector={"version_control_default": VersionMode.Pause})
    description = model.description
    content = {
        "categories": [to_dict(category) for category in description.categories],
        "resolution": description.resolution,
        "conf_threshold": description.conf_threshold,
        "onnx": description.parameters.to_json(),
    }
    context = Context(organization=settings.loop.organization, project=settings.loop.project)
    information = install_own_model(settings.node.data_folder, model.files, context, content)
    ready = OnnxDetector(information, settings.onnx, model=model)
    return OwnNode(name, OnnxFactory(settings.onnx, ready=ready), settings=settings, rules=None if keeps_images else [])


def _opened(
    place: Path, categories: Sequence[Category], onnx: Sequence[str], resolution: int | None, settings: Settings
) -> OnnxModel:
    """The model, tried out, so that nobody waits for a node that cannot answer."""
    from ..detector.own_model import OWN_VERSION
    from ..errors import ModelRefusedError, SettingError
    from ..onnx_models.description import describe, model_file
    from ..onnx_models.model import OnnxModel
    from ..onnx_models.parameters import OnnxParameters

    if not place.exists():
        raise SettingError(f"--model {place}: there is no such file or folder")
    try:
        file = model_file(place).resolve()
        parameters = describe(file.parent).parameters.to_json() | _parameters(onnx)
        return OnnxModel.open(
            file,
            categories or None,
            providers=settings.onnx.provider_names,
            threads=settings.onnx.threads or None,
            conf_threshold=settings.onnx.conf_threshold,
            iou_threshold=settings.onnx.iou_threshold,
            max_batch_size=settings.onnx.max_batch_size or None,
            parameters=OnnxParameters.from_json(parameters),
            resolution=resolution,
            version=OWN_VERSION,
        )
    except ModelRefusedError as error:
        raise SettingError(f"--model {place}: {error}") from error


def _categories(text: str) -> list[Category]:
    """From names with commas between them, each with a type behind a colon, if it is no box."""
    from uuid import NAMESPACE_OID, uuid5

    from ..data_classes import Category
    from ..enums import CategoryType
    from ..errors import SettingError

    result = []
    for entry in filter(None, map(str.strip, text.split(","))):
        name, colon, kind = entry.rpartition(":")
        if not colon:
            name, kind = entry, ""
        elif kind not in set(CategoryType):
            raise SettingError(f"--categories: {kind!r} of {entry!r} is no type; use one of {', '.join(CategoryType)}")
        result.append(Category(id=str(uuid5(NAMESPACE_OID, name)), name=name, type=kind or None))
    names = [category.name for category in result]
    if len(set(names)) != len(names):
        raise SettingError(f"--categories {text}: each name may be there once")
    return result


def _parameters(entries: Sequence[str]) -> dict[str, Any]:
    """What `model.json` would have below `onnx`; a value is JSON, or text."""
    from dataclasses import fields

    from ..data_classes.codec import from_json
    from ..errors import InvalidDataError, SettingError
    from ..onnx_models.parameters import OnnxParameters

    result: dict[str, Any] = {}
    known = [field.name for field in fields(OnnxParameters)]
    for entry in entries:
        key, is_given, value = entry.partition("=")
        if not is_given or key not in known:
            raise SettingError(f"--onnx {entry}: write KEY=VALUE; the keys are {', '.join(known)}")
        try:
            result[key] = from_json(value)
        except InvalidDataError:
            result[key] = value
    return result


def _usual_folder(settings: Settings) -> Path | None:
    """The data folder, if somebody has named or made it."""
    from ..settings import NodeSettings

    folder = settings.node.data_folder
    return folder if folder.is_dir() or folder != NodeSettings().data_folder else None


def _in_folder(settings: Settings, folder: Path) -> Settings:
    return _changed(settings, node={"data_folder": folder.absolute()})


def _changed(settings: Settings, **groups: dict[str, Any]) -> Settings:
    return settings.model_copy(
        update={group: getattr(settings, group).model_copy(update=changes) for group, changes in groups.items()}
    )


def _tell(model: OnnxModel, folder: Path | None, url: str) -> None:
    """What runs where, and what to try."""
    width, height = model.input_size
    names = [category.name for category in model.categories[:SHOWN]]
    more = f" and {len(model.categories) - SHOWN} more" if len(model.categories) > SHOWN else ""
    kept = f"images that it keeps wait in {folder}" if folder else "without --data it keeps no images"
    for line in (
        f"{model.files[0].name}: layout {model.layout}, {width}×{height} pixels, on {model.provider}",
        f"it finds {', '.join(names)}{more}; {kept}",
        f"ask it with: learning-loop detect {url} IMAGES…",
    ):
        stderr().print(line, soft_wrap=True)
