"""One example of each JSON body that the loop understands, by the name of the operation."""

from __future__ import annotations

from typing import Any

_IMAGE = "0b5b6a1e-54e5-4a5e-9a37-8d2f5d5c1f0e"
_ANNOTATION = "5c0e2d86-6f0a-4d7e-8a69-4a1c7b1f3b52"
_CHOSEN = {"images": [{"id": _IMAGE, "version": 3}]}
_BOX = {"kind": "box", "category_name": "face", "x": 10, "y": 20, "width": 30, "height": 40}
_FOUND = {"category_name": "face", "model_name": "1.3", "confidence": 0.8, "x": 10, "y": 20, "width": 30, "height": 40}

EXAMPLES: dict[str, Any] = {
    "image_changes_change": {"images": [{"id": _IMAGE, "version": 3, "state": "complete", "add_tags": ["checked"]}]},
    "image_changes_change_one": {"version": 3, "state": "complete", "set": "val"},
    "image_changes_delete": _CHOSEN,
    "image_changes_restore": _CHOSEN,
    "labelling_create": _BOX,
    "labelling_change": {"version": 1, "x": 12},
    "labelling_change_many": {
        "create": [_BOX | {"image_id": _IMAGE}],
        "change": [{"id": _ANNOTATION, "version": 1, "category_name": "eye"}],
        "delete": [],
    },
    "annotation_tools_input": {
        "event_type": "left_mouse_down",
        "coordinate": {"x": 120, "y": 80},
        "category_name": "leaf",
        "epsilon": 1.5,
    },
    "annotation_tools_log_out": {"page": "left"},
    "detections_receive": [{"image_id": _IMAGE, "box_detections": [_FOUND]}],
    "novelty_set": {_IMAGE: 0.73},
    "trainings_add": {
        "model_variant": "small",
        "architecture": "yolov5",
        "hyperparameters": {"resolution": 640, "epochs": 100},
        "base_model": "1.0",
        "description": "with the images of March",
    },
    "trainings_retry": {"model_variant": "large", "hyperparameters": {"epochs": 200, "flip_lr": None}},
    "trainings_keep_log": {"text": "epoch 7: loss 0.12\n", "size_bytes": 20480},
    "conversions_report": {
        "state": "failed",
        "node_id": "12d7750b-4f0c-4d8d-86c6-c5ad04e19d57",
        "node": "halves",
        "converter": "Halves 1.2",
        "source_format": "float32",
        "error": "convert raised ValueError: weights.npy has weights too large for float16",
        "code": "child_raised",
    },
    "deployment_set_target": {"version": "1.3"},
    "deployment_roll_back": {"number": 7},
    "deployment_set_rule": {"automatic": True, "min_improvement": 0.02, "set": "test", "min_images": 20},
    "detectors_report": {
        "uuid": "85ef1a58-308d-4c80-8931-43d1f752f4f9",
        "name": "robot 7",
        "state": "online",
        "uptime": 3600,
        "model_format": "onnx",
        "current_model": "1.2",
        "target_model": "1.3",
        "errors": {},
        "operation_mode": "idle",
    },
    "projects_create": {"project_id": "demo", "categories": ["face", {"name": "nose", "type": "point"}]},
    "projects_change": {"description": "Faces at the entrance", "version": 1},
    "generator_generate": {"project_name": "drawn", "complete": 20, "box_categories": 2, "trainings": 1},
    "categories_add": {"categories": [{"name": "nose", "type": "point", "color": "#0072B2", "hotkey": "n"}]},
    "categories_order": {"category_ids": ["b85bbc35-0363-3beb-08e4-e0affb95b2bc"]},
    "categories_change": {"name": "whole face", "version": 1},
    "users_add": {"name": "anna@zauberzeug", "password": "ten or more", "organizations": {"zauberzeug": "annotator"}},
    "users_change": {"organizations": {"zauberzeug": "maintainer", "former": None}},
    "tokens_add": {"name": "robot 7", "kind": "node", "organization": "zauberzeug", "project": "demo"},
    "me_change_my_password": {"old_password": "ten or more", "new_password": "eleven or more"},
}
