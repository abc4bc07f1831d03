"""What programs for 0.18 to 0.27 import is found where they import it."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from pathlib import Path

import pytest

# Paths that are there for old programs only; the real things live elsewhere.
OLD_PATHS = {
    "globals": "GLOBALS",
    "loop_communication": "LoopCommunicator LoopCommunicationException retry_on_429 SLEEP_TIME_ON_429 "
    "MAX_RETRIES_ON_429",
    "data_exchanger": "DataExchanger DownloadError",
    "rest": "router",
    "data_classes.general": "AboutResponse AnnotationNodeStatus Category Context DetectorStatus ErrorConfiguration "
    "ModelInformation ModelVersionResponse NodeState NodeStatus",
    "data_classes.annotation_data": "AnnotationData SegmentationAnnotation ToolOutput UserInput",
    "helpers": "",
    "helpers.background_tasks": "create create_lazy",
    "helpers.entrypoint": "node_parser run_node VRAM_LIMIT_GB_FLAG VRAM_LIMIT_GB_HELP",
    "helpers.environment_reader": "read_from_env organization project username password host ssl_certificate_path",
    "helpers.log_conf": "init",
    "helpers.misc": "create_task get_free_memory_mb is_valid_image delete_corrupt_images create_resource_paths "
    "create_image_folder create_project_folder create_training_folder delete_all_training_folders read_or_create_uuid "
    "ensure_socket_response is_valid_uuid4 images_for_ids activate_asyncio_warnings jpg_bytes_to_numpy_array "
    "numpy_array_to_jpg_bytes numpy_image_from_dict ImageData ImageFormat image_format_of image_from_dict",
    "helpers.run": "io_bound",
    "detector.exceptions": "NodeNeedsRestartError",
    "trainer.subprocess": "iterator_cpu_bound",
    "trainer.exceptions": "CriticalError NodeNeedsRestartError InsufficientMemoryError TrainingRefusedError "
    "TrainingSlotTakenError ModelUploadFailedError",
    "detector.categories": "category_by_index category_by_name",
    "detector.geometry": "clip_box clip_point",
    "detector.postprocess": "Prediction post_process non_max_suppression bbox_iou predictions_from_xyxy "
    "to_image_metadata to_detections MIN_BOX_SIZE",
    "detector.inbox_filter": "",
    "detector.inbox_filter.relevance_filter": "RelevanceFilter",
    "detector.inbox_filter.cam_observation_history": "CamObservationHistory",
}
# Paths that have kept their name.
KEPT_PATHS = {
    "data_classes": "Category Context Errors Observation Training",
    "enums": "VersionMode OperationMode OutboxMode AnnotationEventType CategoryType TrainerState",
    "node": "Node NodeConnectionError",
    "detector": "DetectorLogic DetectorLogicFactory",
    "detector.detector_logic": "DetectorLogic DetectorLogicFactory",
    "detector.detector_node": "DetectorNode DetectorUnavailableError step_into fix_shape_detections _ActiveDetector "
    "_Initializing _Updating _unwrap_detector",
    "detector.outbox": "Outbox",
    "trainer.trainer_node": "TrainerNode",
    "trainer.trainer_logic": "TrainerLogic",
    "trainer.trainer_logic_generic": "TrainerLogicGeneric",
    "trainer.executor": "Executor",
    "trainer.training_slot": "TrainingSlot AlwaysFreeSlot FileTrainingSlot training_slot_from_env ENV_VAR",
    "trainer.validation_set": "assign_validation_set compute_validation_set COMPUTE_VALIDATION_SET VALIDATION_FRACTION",
    "trainer.batch_size": "find_batch_size requested_batch_size dataset_limit no_gpu_batch_size smaller_pot "
    "batch_count is_out_of_memory REQUESTED_BATCH_SIZE VRAM_LIMIT_GB_FLAG VRAM_LIMIT_GB_HELP MAX_BATCH_SIZE "
    "NO_GPU_BATCH_SIZE MIN_TRAIN_STEPS_PER_EPOCH",
    "trainer.metrics": "macro_f1 category_f1 confusion_matrix_from_counts",
    "trainer.downloader": "TrainingsDownloader",
    "trainer.io_helpers": "EnvironmentVars LastTrainingIO ActiveTrainingIO",
    "annotation": "",
    "annotation.annotator_logic": "AnnotatorLogic",
    "annotation.annotator_node": "AnnotatorNode",
    "data_classes.annotations": "BoxAnnotation PointAnnotation ClassificationAnnotation",
}
PARAMETERS = {
    "loop_communication.LoopCommunicator": "",
    "loop_communication.retry_on_429": "func",
    "loop_communication.LoopCommunicator.get": "self path requires_login api_prefix timeout",
    "loop_communication.LoopCommunicator.put": "self path files requires_login api_prefix timeout **kwargs",
    "loop_communication.LoopCommunicator.post": "self path requires_login api_prefix timeout **kwargs",
    "loop_communication.LoopCommunicator.delete": "self path requires_login api_prefix timeout **kwargs",
    "data_exchanger.DataExchanger": "context loop_communicator",
    "helpers.background_tasks.create": "coroutine *name",
    "helpers.background_tasks.create_lazy": "coroutine *name",
    "helpers.entrypoint.node_parser": "*description *legacy_env_prefix *vram_limit",
    "helpers.entrypoint.run_node": "app args",
    "helpers.environment_reader.read_from_env": "possible_names ignore_errors",
    "helpers.environment_reader.host": "default",
    "helpers.log_conf.init": "",
    "helpers.misc.create_task": "coroutine *loop",
    "helpers.misc.is_valid_image": "filename check_jpeg",
    "helpers.misc.delete_corrupt_images": "image_folder check_jpeg",
    "helpers.misc.create_resource_paths": "organization_name project_name image_ids",
    "helpers.misc.create_image_folder": "project_folder",
    "helpers.misc.create_project_folder": "context",
    "helpers.misc.create_training_folder": "project_folder trainings_id",
    "helpers.misc.read_or_create_uuid": "identifier",
    "helpers.misc.images_for_ids": "image_ids image_folder",
    "helpers.misc.jpg_bytes_to_numpy_array": "jpg_bytes",
    "helpers.misc.numpy_array_to_jpg_bytes": "image_array",
    "helpers.misc.numpy_image_from_dict": "image_data",
    "helpers.misc.image_from_dict": "image_data",
    "detector.categories.category_by_index": "model_information index",
    "detector.geometry.clip_box": "*x1 *y1 *width *height *img_width *img_height",
    "detector.geometry.clip_point": "x y img_width img_height",
    "detector.postprocess.Prediction": "*x *y *width *height *category_index *confidence",
    "detector.postprocess.post_process": "boxes scores classes *conf_threshold *iou_threshold *origin_h *origin_w",
    "detector.postprocess.non_max_suppression": "boxes scores classes *iou_threshold *origin_h *origin_w",
    "detector.postprocess.bbox_iou": "box1 box2",
    "detector.postprocess.predictions_from_xyxy": "*labels *boxes *scores",
    "detector.postprocess.to_image_metadata": "predictions model_information im_height im_width",
    "detector.postprocess.to_detections": "predictions model_information im_height im_width *image_id",
    "detector.inbox_filter.relevance_filter.RelevanceFilter": "outbox",
    "detector.inbox_filter.relevance_filter.RelevanceFilter.may_upload_detections": "self image_metadata cam_id image",
    "detector.inbox_filter.cam_observation_history.CamObservationHistory": "",
    "node.Node": "name *uuid *node_type *needs_login *needs_sio",
    "detector.detector_node.DetectorNode": "name detector_factory uuid use_backdoor_controls",
    "detector.outbox.Outbox": "",
    "annotation.annotator_logic.AnnotatorLogic": "",
    "annotation.annotator_logic.AnnotatorLogic.init": "self node",
    "annotation.annotator_logic.AnnotatorLogic.handle_user_input": "self user_input history",
    "annotation.annotator_logic.AnnotatorLogic.create_empty_history": "self",
    "annotation.annotator_logic.AnnotatorLogic.logout_user": "self sid",
    "annotation.annotator_node.AnnotatorNode": "name annotator_logic uuid",
    "annotation.annotator_node.AnnotatorNode.get_history": "self frontend_id",
    "annotation.annotator_node.AnnotatorNode.reset_history": "self frontend_id",
    "annotation.annotator_node.AnnotatorNode.send_status": "self",
    "annotation.annotator_node.AnnotatorNode.download_image": "self context uuid",
    "trainer.trainer_node.TrainerNode": "name trainer_logic uuid use_backdoor_controls",
    "trainer.trainer_logic_generic.TrainerLogicGeneric": "model_format training_slot",
    "trainer.trainer_logic_generic.TrainerLogicGeneric.begin_training": "self organization project training_config",
    "trainer.trainer_logic_generic.TrainerLogicGeneric.generate_status_for_loop": "self trainer_uuid trainer_name",
    "trainer.trainer_logic_generic.TrainerLogicGeneric._init_new_training": "self context training_config",
    "trainer.trainer_logic_generic.TrainerLogicGeneric._init_from_last_training": "self",
    "trainer.trainer_logic_generic.TrainerLogicGeneric._begin_training_task": "self",
    "trainer.trainer_logic_generic.TrainerLogicGeneric._perform_state": "self error_key state_during state_after "
    "action reset_early",
    "trainer.trainer_logic_generic.TrainerLogicGeneric._upload_model_return_new_model_uuid": "self context",
    "trainer.trainer_logic_generic.TrainerLogicGeneric._slot_claim": "self context training_number",
    "trainer.trainer_logic_generic.TrainerLogicGeneric._clear_training_data": "self training_folder",
    "trainer.trainer_logic.TrainerLogic": "model_format",
    "trainer.trainer_logic.TrainerLogic._detect": "self model_information images model_folder",
    "trainer.training_slot.TrainingSlot.claim": "self training",
    "trainer.training_slot.TrainingSlot.wait_for": "self training",
    "trainer.training_slot.TrainingSlot._acquire": "self holder",
    "trainer.training_slot.FileTrainingSlot": "path",
    "trainer.validation_set.assign_validation_set": "image_data hyperparameters",
    "trainer.validation_set.compute_validation_set": "hyperparameters",
    "trainer.batch_size.find_batch_size": "fits *limit *minimum *candidate",
    "trainer.batch_size.requested_batch_size": "hyperparameters",
    "trainer.batch_size.dataset_limit": "sample_count",
    "trainer.batch_size.no_gpu_batch_size": "limit probe minimum",
    "trainer.batch_size.smaller_pot": "n",
    "trainer.batch_size.batch_count": "sample_count batch_size",
    "trainer.batch_size.is_out_of_memory": "exception",
    "trainer.metrics.macro_f1": "confusion_matrix",
    "trainer.metrics.category_f1": "counts",
    "trainer.metrics.confusion_matrix_from_counts": "true_positives false_positives false_negatives",
    "trainer.executor.Executor": "base_path log_name",
    "trainer.executor.Executor.start": "self cmd env",
    "trainer.executor.Executor.stop_and_wait": "self",
    "trainer.executor.Executor.get_log_by_lines": "self tail",
    "trainer.downloader.TrainingsDownloader": "data_exchanger data_query_params",
    "trainer.downloader.TrainingsDownloader.download_training_data": "self image_folder",
    "trainer.downloader.TrainingsDownloader.download_images_and_annotations": "self image_ids image_folder",
    "trainer.io_helpers.EnvironmentVars": "",
    "trainer.io_helpers.LastTrainingIO": "node_uuid",
    "trainer.io_helpers.LastTrainingIO.save": "self training",
    "trainer.io_helpers.ActiveTrainingIO": "training_folder loop_communicator context",
    "trainer.io_helpers.ActiveTrainingIO.save_detections": "self detections index",
    "trainer.io_helpers.ActiveTrainingIO.load_detections": "self index",
    "trainer.io_helpers.ActiveTrainingIO.save_detections_upload_file_index": "self index",
    "trainer.io_helpers.ActiveTrainingIO.save_detection_upload_progress": "self count",
    "trainer.io_helpers.ActiveTrainingIO._upload_detections_batched": "self context detections",
    "trainer.io_helpers.ActiveTrainingIO._upload_detections_and_save_progress": "self context batch_detections "
    "up_progress",
}
PACKAGE = Path(__file__).parent.parent / "learning_loop_node"


@pytest.mark.parametrize(("module", "names"), (OLD_PATHS | KEPT_PATHS).items())
def test_every_name_imports(module, names):
    found = import_module(f"learning_loop_node.{module}")
    assert [name for name in names.split() if not hasattr(found, name)] == []


@pytest.mark.parametrize(("path", "expected"), PARAMETERS.items())
def test_parameters_are_those_of_0_27_and_only_optional_ones_are_new(path, expected):
    """`*name` is a parameter by keyword only."""
    found = list(inspect.signature(resolve(path)).parameters.values())
    new = found[len(expected.split()) :]
    assert " ".join(map(as_text, found[: len(expected.split())])) == expected
    assert all(entry.default is not entry.empty or entry.kind is entry.VAR_KEYWORD for entry in new)


@pytest.mark.parametrize("module", OLD_PATHS)
def test_a_module_for_an_old_path_says_what_it_stands_for(module):
    place = PACKAGE / module.replace(".", "/")
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(file.read_text()))
    assert docstring is not None
    assert docstring.startswith("Old path of ")
    assert len(docstring.splitlines()) == 1


def resolve(path: str):
    value = None
    for part in path.split("."):
        inside = getattr(value, part, None)
        value = (
            inside
            if inside is not None
            else import_module(f"{getattr(value, '__name__', 'learning_loop_node')}.{part}")
        )
    return value


def as_text(entry: inspect.Parameter) -> str:
    if entry.kind is entry.VAR_KEYWORD:
        return f"**{entry.name}"
    return f"*{entry.name}" if entry.kind in (entry.KEYWORD_ONLY, entry.VAR_POSITIONAL) else entry.name
