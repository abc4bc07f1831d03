"""Names and values of the words on the wire (those that 0.27 has, recorded from it)."""

from __future__ import annotations

import pytest

from learning_loop_node import enums

WORDS = {
    "VersionMode": "FollowLoop=follow_loop SpecificVersion=specific_version Pause=pause",
    "OperationMode": "Startup=startup Idle=idle Detecting=detecting",
    "OutboxMode": "CONTINUOUS_UPLOAD=continuous_upload STOPPED=stopped",
    "Autoupload": "FILTERED=filtered ALL=all DISABLED=disabled",
    "ImageState": "Inbox=inbox Annotate=annotate Review=review Complete=complete Trash=trash",
    "ImageSet": "Train=train Val=val Test=test",
    "CategoryType": "Box=box Point=point Segmentation=segmentation Classification=classification",
    "ConversionState": "Waiting=waiting Running=running Failed=failed Done=done",
    "NodeState": "Idle=idle Offline=offline Online=online Preparing=preparing Running=running Stopping=stopping "
    "Detecting=detecting Uploading=uploading",
    "AnnotationEventType": "LeftMouseDown=left_mouse_down RightMouseDown=right_mouse_down MouseMove=mouse_move "
    "LeftMouseUp=left_mouse_up RightMouseUp=right_mouse_up KeyUp=key_up KeyDown=key_down",
    "TrainerState": "Idle=idle Blocked=blocked Initialized=initialized WaitingForSlot=waiting_for_slot "
    "Preparing=preparing DataDownloading=data_downloading DataDownloaded=data_downloaded "
    "TrainModelDownloading=train_model_downloading TrainModelDownloaded=train_model_downloaded "
    "TrainingRunning=running TrainingFinished=training_finished ConfusionMatrixSyncing=confusion_matrix_syncing "
    "ConfusionMatrixSynced=confusion_matrix_synced TrainModelUploading=train_model_uploading "
    "TrainModelUploaded=train_model_uploaded Detecting=detecting Detected=detected "
    "DetectionUploading=detection_uploading ReadyForCleanup=ready_for_cleanup",
    "TrainingState": "Queued=queued Starting=starting Running=running Stopping=stopping Aborting=aborting "
    "Finished=finished Failed=failed Aborted=aborted",
}


def test_the_table_is_complete():
    assert set(enums.__all__) == set(WORDS)


@pytest.mark.parametrize(("name", "expected"), WORDS.items())
def test_words(name, expected):
    members = getattr(enums, name).__members__.items()
    assert " ".join(f"{key}={member.value}" for key, member in members) == expected
    assert all(str(member) == member.value for _, member in members)
