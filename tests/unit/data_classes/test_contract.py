"""Every data class, field, order and default that existing programs rely on (recorded from 0.27), and what is new."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from datetime import datetime
from typing import Any

import pytest

from learning_loop_node import data_classes
from learning_loop_node.enums import NodeState

FIELDS = {
    "AboutResponse": "operation_mode state model_info target_model version_control",
    "AnnotationData": "coordinate event_type context image_uuid category key_up=None key_down=None epsilon=None "
    "is_shift_key_pressed=None",
    "AnnotationNodeStatus": "id name state=online uptime=0 errors=dict() capabilities=list()",
    "BoxAnnotation": "category_name x y width height category_id=None",
    "BoxDetection": "category_name x y width height model_name confidence category_id=None",
    "Category": "id name description=None hotkey=None color=None point_size=None type=None",
    "ClassificationAnnotation": "category_name category_id=None",
    "ClassificationDetection": "category_name model_name confidence category_id=None",
    "Context": "organization project",
    "Detections": "box_detections=list() point_detections=list() segmentation_detections=list() "
    "classification_detections=list() image_id=None",
    "DetectorStatus": "uuid name state uptime model_format current_model target_model errors operation_mode "
    "node_version=None",
    "ErrorConfiguration": "begin_training=False save_model=False get_new_model=False crash_training=False",
    "ImageMetadata": "box_detections=list() point_detections=list() segmentation_detections=list() "
    "classification_detections=list() box_annotations=list() point_annotations=list() classification_annotation=None "
    "tags=list() created=current_datetime() source=None state=None",
    "ImagesMetadata": "items=list()",
    "ModelInformation": "id host organization project version categories=list() resolution=None model_root_path=None "
    "model_size=None conf_threshold=None",
    "ModelVersionResponse": "current_version target_version loop_version local_versions version_control",
    "NodeStatus": "id name state=online uptime=0 errors=dict() capabilities=list()",
    "OutboxEntry": "name lane size_bytes age_s tags=list() source=None reason=None",
    "OutboxPage": "entries=list() next=None",
    "Point": "x y",
    "PointAnnotation": "category_name x y category_id=None",
    "PointDetection": "category_name x y model_name confidence category_id=None",
    "PretrainedModel": "name label description",
    "Retried": "count=0 left=dict()",
    "SegmentationAnnotation": "id shape image_id category_id",
    "SegmentationDetection": "category_name shape model_name confidence category_id=None",
    "Shape": "points",
    "SocketResponse": "success error_msg=None payload=None",
    "ToolOutput": "svg annotation=None",
    "Training": "id context project_folder images_folder training_folder categories hyperparameters training_number "
    "training_state model_variant start_time=time() base_model_uuid=None image_data=None skipped_image_count=None "
    "model_uuid_for_detecting=None",
    "TrainingOut": "trainer_id trainer_name=None confusion_matrix=None train_image_count=None test_image_count=None "
    "hyperparameters=None best_epoch=None",
    "TrainingStateData": "confusion_matrix=dict() meta_information=dict() epoch=None",
    "TrainingStatus": "id name state uptime errors progress pretrained_models=list() architecture=None context=None",
    "UserInput": "frontend_id data",
}
NOT_DATA_CLASSES = {"Errors", "NodeState", "Observation", "TrainingError"}


def test_the_table_is_complete():
    assert set(data_classes.__all__) == set(FIELDS) | NOT_DATA_CLASSES


@pytest.mark.parametrize(("name", "expected"), FIELDS.items())
def test_fields_and_defaults(name, expected):
    assert " ".join(map(as_text, fields(getattr(data_classes, name)))) == expected


@pytest.mark.parametrize("name", FIELDS)
def test_keyword_only_with_slots(name):
    cls = getattr(data_classes, name)
    assert all(entry.kw_only for entry in fields(cls))
    assert "__slots__" in vars(cls)


def test_defaults_are_not_shared():
    first, second = data_classes.ImageMetadata(), data_classes.ImageMetadata()
    first.tags.append("mine")
    assert second.tags == []


def test_created_is_local_time_in_milliseconds():
    created = data_classes.ImageMetadata().created
    assert created is not None
    assert len(created) == len("YYYY-MM-DD_HH:MM:SS.mmm")
    assert abs((datetime.now() - datetime.strptime(created, "%Y-%m-%d_%H:%M:%S.%f")).total_seconds()) < 60


def test_node_status_keeps_errors_by_key():
    status = data_classes.NodeStatus(id="1", name="node")
    status.set_error("update_model", "no space")
    status.set_error("other", "x")
    status.reset_error("other")
    status.reset_error("never set")
    assert (status.state, status.errors) == (NodeState.Online, {"update_model": "no space"})
    status.reset_all_errors()
    assert status.errors == {}


def test_errors_of_a_trainer():
    errors = data_classes.Errors()
    assert not errors.has_error()
    errors.set("train", "out of memory")
    assert (errors.has_error(), errors.has_error_for("train"), errors.has_error_for("other")) == (True, True, False)
    errors.reset("train")
    errors.reset("train")
    assert errors.errors == {}


def test_training_error_names_its_cause():
    assert str(data_classes.TrainingError("no gpu")) == "TrainingError: no gpu"


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (data_classes.SocketResponse.for_failure("no"), (False, "no", None)),
        (data_classes.SocketResponse.for_success(), (True, None, "")),
        (data_classes.SocketResponse.for_success({"a": 1}), (True, None, {"a": 1})),
        (data_classes.SocketResponse.from_bool(False), (False, None, None)),
    ],
)
def test_socket_response(response, expected):
    assert (response.success, response.error_msg, response.payload) == expected


def as_text(entry: Field[Any]) -> str:
    if entry.default is not MISSING:
        return f"{entry.name}={entry.default}"
    if entry.default_factory is not MISSING:
        factory: Any = entry.default_factory
        return f"{entry.name}={factory.__name__}()"
    return entry.name
