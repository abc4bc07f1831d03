"""Finds out what the outputs of a model mean, from their shapes, names and values in a trial."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ModelRefusedError
from ..geometry.boxes import Array
from .parameters import Activation, Background, Layout, OnnxParameters

STRIDES = (4, 8, 16, 32, 64, 128)
"""Of the grids that YOLO models lay over an image, in pixels; a model has several neighbouring ones."""

ANCHORS_OF_YOLOV5 = 3
WIDTH_OF_FOUND = 6
FOUND = (Layout.END_TO_END, Layout.RT_DETR_END_TO_END)
"""Those that give only what was found, each time with its category."""

RT_DETR_HEAD = "RTDETRDecoder"
"""What ultralytics calls it in the metadata."""

TOLERANCE = 1e-3
NORMALISED_LIMIT = 2.0
"""Boxes that all lie within so many pixels from the corner are not meant as pixels."""

COUNT_NAMES = {"num_dets", "num_detections", "num", "n_dets"}
BOX_NAMES = {"boxes", "bboxes", "dets", "det_boxes", "detection_boxes", "pred_boxes"}
SCORE_NAMES = {"scores", "det_scores", "detection_scores"}
LABEL_NAMES = {"labels", "classes", "det_classes", "detection_classes", "det_labels"}
LOGIT_NAMES = LABEL_NAMES | SCORE_NAMES | {"logits", "pred_logits", "class_logits"}
RF_DETR_NAMES = {"dets", "labels"}


@dataclass(frozen=True, slots=True)
class Output:
    """An output of a model as it came in a trial."""

    name: str
    values: Array

    def __str__(self) -> str:
        return f"{self.name} {self.values.shape}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the outputs of a model mean: `outputs` are the names of those that count, in the order that decoding has.

    `normalised` says that coordinates are shares of the input and not pixels.
    """

    layout: Layout
    outputs: tuple[str, ...]
    activation: Activation
    background: Background
    normalised: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A model as it is known before it is read: what came out for `images` images of the size that it takes."""

    outputs: Sequence[Output]
    images: int
    width: int
    height: int
    takes_sizes: bool
    categories: int
    parameters: OnnxParameters
    metadata: Mapping[str, str]


def read(trial: Trial) -> Reading:
    """What the outputs mean; `ModelRefusedError` says which layouts they might have, and what to set."""
    task = trial.metadata.get("task", "detect")
    if task not in ("detect", "classify"):
        raise ModelRefusedError(f"the model is made to {task} (its metadata say so); only boxes and classes are read")
    possible = {layout: names for layout, fits in _FITS.items() if (names := fits(trial)) is not None}
    wanted = trial.parameters.layout
    if wanted is not None:
        if wanted not in possible:
            raise ModelRefusedError(f"onnx.layout is {wanted}, but {_misfit(trial)}")
        possible = {wanted: possible[wanted]}
    if not possible:
        raise ModelRefusedError(_misfit(trial))
    if len(possible) > 1:
        possible = _by_evidence(trial, possible)
    if len(possible) > 1:
        raise ModelRefusedError(
            f"the outputs {_told(trial)} may mean {' or '.join(possible)}; say which in model.json: "
            f'"onnx": {{"layout": "{next(iter(possible))}"}}'
        )
    [(layout, names)] = possible.items()
    values = {output.name: output.values for output in trial.outputs}
    return _checked(trial, layout, names, [values[name] for name in names])


# --- which layouts the shapes allow: the names of the outputs that count, None if they do not fit

Names = tuple[str, ...]


def _single(trial: Trial) -> tuple[str, int, int] | None:
    """Name and last two lengths of the only output with three axes; the older YOLOv5 has its grids besides."""
    flat = [output for output in trial.outputs if output.values.ndim == 3]
    others = [output for output in trial.outputs if output.values.ndim not in (3, 5)]
    if len(flat) != 1 or others or trial.takes_sizes or len(flat[0].values) != trial.images:
        return None
    return flat[0].name, flat[0].values.shape[1], flat[0].values.shape[2]


def _yolov5(trial: Trial) -> Names | None:
    match _single(trial):
        case (name, _, length) if length == trial.categories + 5:
            return (name,)
    return None


def _yolov8(trial: Trial) -> Names | None:
    match _single(trial):
        case (name, length, _) if length == trial.categories + 4:
            return (name,)
    return None


def _end_to_end(trial: Trial) -> Names | None:
    match _single(trial):
        case (name, _, 6):
            return (name,)
    return None


def _rt_detr(trial: Trial) -> Names | None:
    match _single(trial):
        case (name, _, length) if length == trial.categories + 4:
            return (name,)
    return None


def _nms(trial: Trial) -> Names | None:
    counts, boxes, scores, labels = (
        _named(trial, names) for names in (COUNT_NAMES, BOX_NAMES, SCORE_NAMES, LABEL_NAMES)
    )
    if counts is None or boxes is None or scores is None or labels is None or trial.takes_sizes:
        return None
    n, shape = trial.images, boxes.values.shape
    fits = counts.values.size == n and len(shape) == 3 and (shape[0], shape[2]) == (n, 4)
    if not fits or not scores.values.shape == labels.values.shape == shape[:2] or len(trial.outputs) != 4:
        return None
    return counts.name, boxes.name, scores.name, labels.name


def _rt_detr_sized(trial: Trial) -> Names | None:
    boxes, scores, labels = (_named(trial, names) for names in (BOX_NAMES, SCORE_NAMES, LABEL_NAMES))
    if boxes is None or scores is None or labels is None or not trial.takes_sizes or len(trial.outputs) != 3:
        return None
    shape = boxes.values.shape
    if len(shape) != 3 or (shape[0], shape[2]) != (trial.images, 4):
        return None
    return (boxes.name, scores.name, labels.name) if scores.values.shape == labels.values.shape == shape[:2] else None


def _detr(trial: Trial) -> Names | None:
    """Found by name first: with three categories, both outputs have the same shape."""
    if len(trial.outputs) != 2 or trial.takes_sizes or any(output.values.ndim != 3 for output in trial.outputs):
        return None
    boxes, logits = _named(trial, BOX_NAMES), _named(trial, LOGIT_NAMES)
    if boxes is None or logits is None:
        with_four = [output for output in trial.outputs if output.values.shape[2] == 4]
        if len(with_four) != 1:
            return None
        [boxes] = with_four
        [logits] = [output for output in trial.outputs if output is not boxes]
    shape = boxes.values.shape
    widths = (trial.categories, trial.categories + 1)
    if (shape[0], shape[2]) != (trial.images, 4) or logits.values.shape[:2] != shape[:2]:
        return None
    return (boxes.name, logits.name) if logits.values.shape[2] in widths else None


def _classifier(trial: Trial) -> Names | None:
    if len(trial.outputs) != 1 or trial.takes_sizes:
        return None
    [output] = trial.outputs
    shape = output.values.shape
    is_flat = len(shape) == 2 or (len(shape) == 4 and shape[2:] == (1, 1))
    return (output.name,) if is_flat and shape[:2] == (trial.images, trial.categories) else None


_FITS: dict[Layout, Callable[[Trial], Names | None]] = {
    Layout.YOLOV8: _yolov8,
    Layout.YOLOV5: _yolov5,
    Layout.END_TO_END: _end_to_end,
    Layout.RT_DETR: _rt_detr,
    Layout.RT_DETR_END_TO_END: _end_to_end,
    Layout.NMS: _nms,
    Layout.RT_DETR_SIZED: _rt_detr_sized,
    Layout.DETR: _detr,
    Layout.CLASSIFIER: _classifier,
}


def _named(trial: Trial, names: set[str]) -> Output | None:
    found = [output for output in trial.outputs if output.name.lower() in names]
    return found[0] if len(found) == 1 else None


# --- where shapes allow several: what else is known


def _by_evidence(trial: Trial, possible: Mapping[Layout, Names]) -> dict[Layout, Names]:
    """Without the layouts that something speaks against; with all of them, if something speaks against each."""
    single = _single(trial)
    if single is None:
        return dict(possible)
    name, rows, columns = single
    [values] = [output.values for output in trial.outputs if output.name == name]
    cells = _possible_cells(trial.width, trial.height)
    against: set[Layout] = set()
    if columns not in cells:
        against.add(Layout.YOLOV8)
    if rows % ANCHORS_OF_YOLOV5 or rows // ANCHORS_OF_YOLOV5 not in cells:
        against.add(Layout.YOLOV5)
    if columns == WIDTH_OF_FOUND:
        against |= _against_found(values, trial.metadata)
    return {layout: names for layout, names in possible.items() if layout not in against} or dict(possible)


def _against_found(values: Array, metadata: Mapping[str, str]) -> set[Layout]:
    """What speaks against some of the layouts that have six numbers for each box, in metadata and values.

    Of those that give only what was found, the last number is a whole one, that of the category.
    """
    others = {Layout.YOLOV5, Layout.YOLOV8, Layout.RT_DETR}
    if metadata.get("head") == RT_DETR_HEAD and metadata.get("end2end") != "True":
        return {Layout.END_TO_END, Layout.YOLOV5, Layout.YOLOV8}
    if metadata.get("end2end") == "True" or "'nms': True" in metadata.get("args", ""):
        return {Layout.RT_DETR_END_TO_END, *others}
    boxes, numbers = values[..., :4], values[..., 5]
    if (numbers != np.rint(numbers)).any():
        return set(FOUND)
    against = others if numbers.any() else set()
    if not boxes.any() or np.abs(boxes).max() > NORMALISED_LIMIT:
        against |= {Layout.RT_DETR_END_TO_END}
    elif (boxes[..., 2:] < boxes[..., :2]).any():
        against |= {Layout.END_TO_END}  # centre and size, as corners these boxes would be turned inside out
    return against


def _possible_cells(width: int, height: int) -> set[int]:
    """How many cells the grids of a model may have, all together."""
    counts = [math.ceil(width / stride) * math.ceil(height / stride) for stride in STRIDES]
    ends = range(len(counts) + 1)
    return {sum(counts[begin:end]) for begin in ends for end in ends if end - begin >= 2}


# --- what belongs to a layout, and whether the values of the trial can be meant like this


def _checked(trial: Trial, layout: Layout, names: Names, values: Sequence[Array]) -> Reading:
    parameters = trial.parameters
    activation, background = _scores_of(trial, layout, names, values)
    normalised = parameters.normalised
    if normalised is None:
        normalised = layout in (Layout.RT_DETR, Layout.RT_DETR_END_TO_END, Layout.DETR)
    reading = Reading(layout=layout, outputs=names, activation=activation, background=background, normalised=normalised)
    boxes, scores = _boxes_and_scores(reading, values)
    if boxes.size:
        largest = float(np.abs(boxes).max())
        is_guess = parameters.layout is None and parameters.normalised is None
        if is_guess and layout in (Layout.YOLOV5, Layout.RT_DETR) and normalised != (largest <= NORMALISED_LIMIT):
            raise ModelRefusedError(_misfit(trial))  # it is the other one of them, with one category more or less
        if normalised and largest > NORMALISED_LIMIT:
            raise ModelRefusedError(
                f"boxes of layout {layout} should be shares of the input, but reach {largest:.0f}; if they are pixels, "
                'set "onnx": {"normalised": false} in model.json'
            )
        if not normalised and largest <= NORMALISED_LIMIT:
            raise ModelRefusedError(
                f"boxes of layout {layout} should be pixels, but none reaches further than {largest:.2f}; if they are "
                'shares of the input, set "onnx": {"normalised": true} in model.json'
            )
    if layout in FOUND and not _are_shares(scores):
        raise ModelRefusedError(
            f"the outputs {_told(trial)} have scores up to {scores.max():.3g}, so they are not {layout}"
        )
    if activation is Activation.NONE and not _are_shares(scores):
        raise ModelRefusedError(
            f"the scores of layout {layout} should be from 0 to 1, but are from {scores.min():.3g} to "
            f'{scores.max():.3g}; if they have no activation yet, set "onnx": {{"activation": "sigmoid"}} in model.json'
        )
    return reading


def _boxes_and_scores(reading: Reading, values: Sequence[Array]) -> tuple[Array, Array]:
    """What the trial shows of all boxes and scores; nothing where a model returns only what it has found."""
    nothing = np.empty(0)
    match reading.layout:
        case Layout.YOLOV8:
            return values[0][:, :4], values[0][:, 4:]
        case Layout.YOLOV5 | Layout.RT_DETR:
            return values[0][..., :4], values[0][..., 4:]
        case Layout.DETR:
            return values[0], values[1]
        case Layout.END_TO_END | Layout.RT_DETR_END_TO_END:
            rows = values[0].reshape(-1, WIDTH_OF_FOUND)
            rows = rows[rows[:, :4].any(axis=1)]  # the others are room for what was not found
            return rows[:, :4], rows[:, 4]
        case Layout.CLASSIFIER:
            return nothing, values[0]
        case _:
            return nothing, nothing


def _scores_of(trial: Trial, layout: Layout, names: Names, values: Sequence[Array]) -> tuple[Activation, Background]:
    given = trial.parameters
    if layout is Layout.DETR:
        return _scores_of_detr(trial, names, values[1])
    if given.background not in (None, Background.NONE):
        raise ModelRefusedError(f"onnx.background is {given.background}, which layout {layout} does not have")
    if given.activation is not None:
        if layout in (*FOUND, Layout.NMS, Layout.RT_DETR_SIZED) and given.activation is not Activation.NONE:
            raise ModelRefusedError(f"onnx.activation is {given.activation}, which layout {layout} does not have")
        return given.activation, Background.NONE
    if layout is Layout.CLASSIFIER:
        return _activation_of_classifier(values[0]), Background.NONE
    return Activation.NONE, Background.NONE


def _activation_of_classifier(values: Array) -> Activation:
    """Probabilities add up to one; numbers below 0 or above 1 are none yet; anything else could be both."""
    if not _are_shares(values):
        return Activation.SOFTMAX
    if np.allclose(values.reshape(len(values), -1).sum(axis=1), 1, atol=10 * TOLERANCE):
        return Activation.NONE
    raise ModelRefusedError(
        "the scores of the classes are from 0 to 1, but do not add up to 1; say what they are in model.json: "
        '"onnx": {"activation": "none"} if each one is a probability of its own, "softmax" if none is yet'
    )


def _scores_of_detr(trial: Trial, names: Names, logits: Array) -> tuple[Activation, Background]:
    given = trial.parameters
    has_more = logits.shape[2] == trial.categories + 1
    background = given.background
    if background is None and not has_more:
        background = Background.NONE
    is_rf_detr = RF_DETR_NAMES.issubset(name.lower() for name in names)
    if background is None and is_rf_detr:
        raise ModelRefusedError(
            f"the model has {trial.categories + 1} scores for {trial.categories} categories, and its file does not say "
            'which one is that of the background; set "onnx": {"background": "last"} in model.json for an RF-DETR '
            'trained with categories counted from 0, "first" for one with categories counted from 1'
        )
    if background is None:
        background = Background.LAST
    if has_more != (background is not Background.NONE):
        raise ModelRefusedError(
            f"onnx.background is {background}, but there are {logits.shape[2]} scores for {trial.categories} categories"
        )
    usual = Activation.SOFTMAX if has_more and not is_rf_detr else Activation.SIGMOID
    return given.activation or usual, background


def _are_shares(scores: Array) -> bool:
    return not scores.size or bool(scores.min() >= -TOLERANCE and scores.max() <= 1 + TOLERANCE)


# --- what to say to those whose model fits nothing


def _misfit(trial: Trial) -> str:
    count = trial.categories
    categories = f"the {count} categories that are given" if count != 1 else "the one category that is given"
    text = f"the outputs {_told(trial)} do not fit {categories}"
    if guesses := _guesses(trial):
        return f"{text}: there would be {guesses}; correct the categories or set onnx.layout in model.json"
    if any(output.values.ndim == 4 for output in trial.outputs):
        return f"{text}; they look like those of a segmentation, which is not read"
    return f"{text} in any layout ({', '.join(Layout)}); export the model in one of them"


def _told(trial: Trial) -> str:
    return ", ".join(map(str, trial.outputs))


def _guesses(trial: Trial) -> str:
    """How many categories the model has, if it has one of the layouts that tell."""
    counts: dict[str, int] = {}
    single = _single(trial)
    if single is not None:
        _, rows, columns = single
        if 4 < rows < columns:
            counts["yolov8"] = rows - 4
        else:
            counts["yolov5"], counts["rt_detr"] = columns - 5, columns - 4
    elif len(trial.outputs) == 1 and trial.outputs[0].values.ndim == 2:
        counts["classifier"] = trial.outputs[0].values.shape[1]
    elif (logits := _named(trial, LOGIT_NAMES)) and _named(trial, BOX_NAMES) and logits.values.ndim == 3:
        counts["detr"] = logits.values.shape[2]
    return " or ".join(f"{count} as {layout}" for layout, count in counts.items() if count > 0)
