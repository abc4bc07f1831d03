"""A model in an ONNX file: from images to what is in them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data_classes import Category, ImageMetadata
from ..enums import CategoryType
from ..errors import DetectionFailedError, InvalidImageError, ModelRefusedError, NodeError
from ..geometry.boxes import Array
from .decoding import Decoder, require_finite
from .description import Description, describe, model_file
from .file_check import CheckedFile, check_file
from .inputs import ModelInputs
from .layouts import Output, Reading, Trial, read
from .letterbox import Fit
from .names import category_names
from .parameters import CHANNELS, Activation, Layout, OnnxParameters
from .pixels import InputForm, Preparation, as_rgb
from .predictions import Predictions, to_metadata
from .session import CPU, open_session

logger = logging.getLogger(__name__)

CONF_THRESHOLD = 0.25
IOU_THRESHOLD = 0.6
MAX_BATCH_SIZE = 8
"""On a GPU; on the CPU, more than one image at once take longer than one after the other."""

BRIGHTEST = 255
SCALE = 1 / BRIGHTEST
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RF_DETR_BOXES = "dets"
STRETCHED = {Layout.RT_DETR, Layout.RT_DETR_END_TO_END, Layout.RT_DETR_SIZED, Layout.DETR}


class OnnxModel:
    """Made with `OnnxModel.open`, which tries it out. `predict` and `run` are for one thread at a time.

    `input_size` is width and height of its input, `layout` what its outputs mean, `provider` what it runs on, and
    `max_batch_size` how many images it takes at once. `categories` are those of its outputs, in their order, each with
    a type; `description` is all that was said about it, and `files` are those that it consists of.
    """

    def __init__(
        self,
        session: Any,
        checked: CheckedFile,
        description: Description,
        *,
        conf_threshold: float,
        iou_threshold: float,
        max_batch_size: int | None,
    ) -> None:
        parameters = description.parameters
        self.files = [checked.path, *(checked.path.parent / name for name in checked.data_files)]
        self.categories = list(description.categories)
        self.version = description.version
        self.conf_threshold = conf_threshold
        self.provider: str = session.get_providers()[0]
        self._session = session
        self._inputs = ModelInputs.of(session.get_inputs(), checked.metadata, description.resolution)
        self.input_size = self._inputs.width, self._inputs.height
        self.max_batch_size = self._inputs.batch or max_batch_size or (1 if self.provider == CPU else MAX_BATCH_SIZE)
        self._reading = self._read_in_trial(parameters, checked)
        self.layout = self._reading.layout
        self.categories = [_typed(category, self.layout) for category in self.categories]
        self.description = replace(description, categories=self.categories)
        self._preparation = Preparation(self._form(parameters, self._reading))
        self._buffer = self._preparation.form.buffer(0)
        self._decoder = Decoder(
            self._reading,
            width=self._inputs.width,
            height=self._inputs.height,
            categories=len(self.categories),
            max_overlap=iou_threshold,
            max_detections=parameters.max_detections,
        )
        self._warm_up()

    @classmethod
    def open(
        cls,
        place: Path | str,
        categories: Sequence[Category] | None = None,
        *,
        providers: Sequence[str] = (),
        threads: int | None = None,
        conf_threshold: float | None = None,
        iou_threshold: float | None = None,
        max_batch_size: int | None = None,
        parameters: OnnxParameters | None = None,
        resolution: int | None = None,
        version: str | None = None,
    ) -> OnnxModel:
        """Open a file, or the model in a folder, and try it out; `ModelRefusedError` says what is wrong with it.

        What is not given is taken from `model.json` beside the file, the names of categories else from the metadata in
        it. Execution providers are tried in their order, the CPU in the end. Up to `max_batch_size` images are run at
        once, where the model takes several. `version` is the name of the model in its detections.
        """
        file = model_file(Path(place))
        checked = check_file(file)
        description = describe(file.parent)
        names = category_names(checked.metadata)
        chosen = list(categories) if categories is not None else list(description.categories)
        if not chosen:
            chosen = [Category(id=name, name=name) for name in names]
        _check_names([category.name for category in chosen], names)
        description = replace(
            description,
            categories=chosen,
            parameters=parameters or description.parameters,
            resolution=resolution or description.resolution,
            version=description.version if version is None else version,
        )
        return cls(
            open_session(checked.path, providers, threads),
            checked,
            description,
            conf_threshold=_first_of(conf_threshold, description.conf_threshold, CONF_THRESHOLD),
            iou_threshold=_first_of(iou_threshold, description.parameters.iou_threshold, IOU_THRESHOLD),
            max_batch_size=max_batch_size,
        )

    def predict(self, images: Sequence[NDArray[Any]], conf_threshold: float | None = None) -> list[Predictions]:
        """What is in some images, `(H, W, 3)` uint8 RGB of any sizes, each with a score above the threshold.

        `DetectionFailedError` if what the model says about one of them cannot be meant, `InvalidImageError` if one is
        none.
        """
        threshold = self.conf_threshold if conf_threshold is None else conf_threshold
        result: list[Predictions] = []
        for begin in range(0, len(images), self.max_batch_size):
            result += self._predict_together(images, begin, threshold)
        return result

    def run(self, images: Sequence[NDArray[Any]], conf_threshold: float | None = None) -> list[ImageMetadata]:
        """The same as detections: boxes in whole pixels, for categories of type point the centres of the boxes."""
        return [to_metadata(found, self.categories, self.version) for found in self.predict(images, conf_threshold)]

    def feeds_of(self, images: Sequence[NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """What ONNX Runtime gets for these images, by the names of the inputs; at most `max_batch_size` of them."""
        batch = self._preparation.form.buffer(self._inputs.batch or len(images))
        for image, row in zip(images, batch, strict=False):
            self._preparation.put(as_rgb(image), row)
        return self._feeds(batch)

    def _predict_together(self, images: Sequence[NDArray[Any]], begin: int, threshold: float) -> Iterator[Predictions]:
        """What is in as many of the images as the model takes at once."""
        numbers = range(begin, min(begin + self.max_batch_size, len(images)))
        batch = self._room_for(len(numbers))
        places = []
        for number, row in zip(numbers, batch, strict=False):
            with _naming(number, len(images)):
                places.append(self._preparation.put(as_rgb(images[number]), row))
        outputs = self._run_session(batch, self._reading.outputs)
        for number, place in zip(numbers, places, strict=True):
            with _naming(number, len(images)):
                raw = self._decoder.decode([values[number - begin] for values in outputs], threshold)
            height, width = images[number].shape[:2]
            if self.layout is Layout.CLASSIFIER:
                yield Predictions.of_whole_image(raw, width, height)
            else:
                yield Predictions.of(raw, place, width, height)

    def _room_for(self, count: int) -> NDArray[Any]:
        """Memory for so many images, or for as many as the model always takes."""
        rows = self._inputs.batch or count
        if len(self._buffer) < rows:
            self._buffer = self._preparation.form.buffer(rows)
        return self._buffer[:rows]

    def _run_session(self, batch: NDArray[Any], names: Sequence[str]) -> list[Array]:
        try:
            outputs: list[Array] = self._session.run(list(names), self._feeds(batch))
        except Exception as error:  # it has a dozen kinds, which share no other base
            raise DetectionFailedError(f"ONNX Runtime cannot run the model: {error}") from error
        for name, values in zip(names, outputs, strict=True):
            if values.shape[:1] != (len(batch),):
                raise DetectionFailedError(f"the model gives {name} {values.shape} for {len(batch)} images")
        return outputs

    def _feeds(self, batch: NDArray[Any]) -> dict[str, NDArray[Any]]:
        feeds = {self._inputs.name: batch}
        if self._inputs.sizes_name:
            # As if the input were the image: boxes are then pixels of the input, however the image lies in it.
            size = np.array(self.input_size, self._inputs.sizes_dtype)
            feeds[self._inputs.sizes_name] = np.tile(size, (len(batch), 1))
        return feeds

    # --- when the model is opened

    def _read_in_trial(self, parameters: OnnxParameters, checked: CheckedFile) -> Reading:
        """Find out what the outputs mean from what comes out for three images: a dark one, a bright one, and noise."""
        count = len(self.categories)
        if not count:
            raise ModelRefusedError("the categories of the model are not known; model.json has to name them")
        form = self._form(parameters, None)
        names = [output.name for output in self._session.get_outputs()]
        rows = self._inputs.batch or 1
        noise = np.random.default_rng(0).random(form.buffer(rows).shape, np.float32)
        runs = []
        for shares in (np.zeros_like(noise), np.ones_like(noise), noise):
            pixels = np.rint(shares * BRIGHTEST) * (1 if form.dtype is np.uint8 else form.scale)
            runs.append(self._tried(pixels.astype(form.dtype), names))
        outputs = [
            Output(name, np.concatenate(values) if len({one.shape for one in values}) == 1 else values[0])
            for name, values in zip(names, zip(*runs, strict=True), strict=True)
        ]
        images = max(len(output.values) for output in outputs)
        if self._inputs.batch is None and self.max_batch_size > 1:
            self._try_two(form, names)
        return read(
            Trial(
                outputs=outputs,
                images=images,
                width=self._inputs.width,
                height=self._inputs.height,
                takes_sizes=self._inputs.sizes_name is not None,
                categories=count,
                parameters=parameters,
                metadata=checked.metadata,
            )
        )

    def _tried(self, batch: NDArray[Any], names: Sequence[str]) -> list[Array]:
        try:
            outputs = self._run_session(batch, names)
            for name, values in zip(names, outputs, strict=True):
                require_finite(name, values)
        except DetectionFailedError as error:
            raise ModelRefusedError(f"the model fails in a trial: {error}") from error
        return outputs

    def _try_two(self, form: InputForm, names: Sequence[str]) -> None:
        """Some files say that they take any number of images, and take one."""
        try:
            self._run_session(form.buffer(2), names)
        except DetectionFailedError as error:
            logger.warning("the model gets one image at a time, since it fails with two: %s", error)
            self.max_batch_size = 1

    def _warm_up(self) -> None:
        """Run it as it will be run, so that the first image does not take longer than others."""
        width, height = self.input_size
        noise = np.random.default_rng(0).integers(0, BRIGHTEST + 1, (height, width, CHANNELS), dtype=np.uint8)
        sizes = [1] if self.provider == CPU else sorted({1, self.max_batch_size})
        try:
            for size in sizes:
                self.run([noise] * size)
        except NodeError as error:
            raise ModelRefusedError(f"the model fails in a trial: {error}") from error

    def _form(self, parameters: OnnxParameters, reading: Reading | None) -> InputForm:
        """What the model gets; before its outputs are understood, what it would get in most cases."""
        layout = reading.layout if reading else None
        if parameters.letterbox is Fit.CROP and layout not in (None, Layout.CLASSIFIER):
            raise ModelRefusedError("onnx.letterbox is crop, which would hide things from a model that finds boxes")
        usual_fit = Fit.STRETCH if layout in STRETCHED else Fit.CROP if layout is Layout.CLASSIFIER else Fit.CENTRE
        is_imagenet = reading is not None and _is_usually_normalised(reading)
        return InputForm(
            width=self._inputs.width,
            height=self._inputs.height,
            dtype=self._inputs.dtype,
            channels_last=self._inputs.channels_last,
            fit=parameters.letterbox or usual_fit,
            color=parameters.color,
            scale=_first_of(parameters.scale, SCALE),
            mean=parameters.mean or (IMAGENET_MEAN if is_imagenet else (0.0, 0.0, 0.0)),
            std=parameters.std or (IMAGENET_STD if is_imagenet else (1.0, 1.0, 1.0)),
        )


@contextmanager
def _naming(number: int, count: int) -> Iterator[None]:
    """Say in errors which of several images it was."""
    try:
        yield
    except (DetectionFailedError, InvalidImageError) as error:
        if count == 1:
            raise
        raise type(error)(f"image {number + 1} of {count}: {error}") from error


def _is_usually_normalised(reading: Reading) -> bool:
    """Whether models of this kind are trained with the mean and deviation of ImageNet, unless somebody says otherwise.

    RF-DETR and DETR are, and classifiers whose export leaves the softmax to us.
    """
    if reading.layout is Layout.DETR:
        return reading.activation is Activation.SOFTMAX or RF_DETR_BOXES in reading.outputs
    return reading.layout is Layout.CLASSIFIER and reading.activation is Activation.SOFTMAX


def _check_names(chosen: Sequence[str], in_file: Sequence[str]) -> None:
    """Names in another order would be wrong names."""
    if sorted(chosen) == sorted(in_file) and list(chosen) != list(in_file):
        raise ModelRefusedError(
            f"model.json has the categories in the order {', '.join(chosen)}, the file in the order "
            f"{', '.join(in_file)}; they must be in that of the file"
        )


def _typed(category: Category, layout: Layout) -> Category:
    """The category with its type; `ModelRefusedError` if models of this layout do not find such a thing."""
    if layout is Layout.CLASSIFIER:
        usual, fine = CategoryType.Classification, {CategoryType.Classification}
    else:
        usual, fine = CategoryType.Box, {CategoryType.Box, CategoryType.Point}
    kind = category.type or usual
    if kind not in fine:
        raise ModelRefusedError(
            f"the category {category.name} is of type {kind}, but models of layout {layout} find "
            f"{' and '.join(sorted(fine))}"
        )
    return replace(category, type=kind)


def _first_of(*values: float | None) -> float:
    return next(value for value in values if value is not None)
