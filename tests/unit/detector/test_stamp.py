from __future__ import annotations

from learning_loop_node.data_classes import (
    BoxAnnotation,
    Category,
    ClassificationAnnotation,
    ImageMetadata,
    Point,
    SegmentationDetection,
    Shape,
)
from learning_loop_node.detector.stamp import fix_shape_detections, stamped, with_category_ids
from tests.builders import make_box


def segmentation(shape: Shape | str) -> SegmentationDetection:
    return SegmentationDetection(category_name="a", shape=shape, model_name="1", confidence=0.5)


TRIANGLE = Shape(points=[Point(x=1, y=2), Point(x=3, y=4), Point(x=5, y=6)])
CATEGORIES = [Category(id="c1", name="face")]


def test_the_object_of_the_logic_stays_as_it_is():
    original = ImageMetadata(tags=["own"], segmentation_detections=[segmentation(TRIANGLE)], created="before")
    copy = stamped(original, ["given"], "camera", "2026-01-31T12:00:00")
    assert (copy.tags, copy.source, copy.created) == (["own", "given"], "camera", "2026-01-31T12:00:00")
    assert copy.segmentation_detections[0].shape == "1,2,3,4,5,6"
    assert (original.tags, original.source, original.created) == (["own"], None, "before")
    assert original.segmentation_detections[0].shape == TRIANGLE


def test_ids_are_filled_in_by_name():
    metadata = ImageMetadata(
        box_detections=[make_box(category_name="face"), make_box(category_name="unknown")],
        box_annotations=[
            BoxAnnotation(category_name="face", x=0, y=0, width=1, height=1),
            BoxAnnotation(category_name="unknown", x=0, y=0, width=1, height=1, category_id="given"),
        ],
        classification_annotation=ClassificationAnnotation(category_name="face"),
    )
    filled = with_category_ids(metadata, CATEGORIES)
    assert [box.category_id for box in filled.box_detections] == ["c1", ""]
    assert [box.category_id for box in filled.box_annotations] == ["c1", "given"]
    assert filled.classification_annotation is not None
    assert filled.classification_annotation.category_id == "c1"


def test_shapes_become_text_in_place():
    metadata = ImageMetadata(segmentation_detections=[segmentation(TRIANGLE), segmentation("7,8")])
    fix_shape_detections(metadata)
    assert [entry.shape for entry in metadata.segmentation_detections] == ["1,2,3,4,5,6", "7,8"]
