"""Every variable sets its field, nothing else does, and a wrong value is named."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from learning_loop_node.enums import VersionMode
from learning_loop_node.errors import SettingError
from learning_loop_node.settings import (
    ENVIRONMENT,
    GLOBALS,
    DiskFull,
    LogFormat,
    OutboxSettings,
    Settings,
    listening_address,
    load_log_settings,
    load_settings,
    misspelled_variables,
    older_variables,
)

# variable: (text, field, value)
VARIABLES: dict[str, tuple[str, str, Any]] = {
    "LOOP_HOST": ("loop.example:8000", "loop.host", "loop.example:8000"),
    "LOOP_USERNAME": ("ada", "loop.username", "ada"),
    "LOOP_PASSWORD": ("secret", "loop.password", SecretStr("secret")),
    "LOOP_TOKEN": ("ll_node_1", "loop.token", SecretStr("ll_node_1")),
    "LOOP_SSL_CERT_PATH": ("/ca.pem", "loop.ssl_certificate_path", "/ca.pem"),
    "LOOP_ORGANIZATION": ("zauberzeug", "loop.organization", "zauberzeug"),
    "LOOP_PROJECT": ("demo", "loop.project", "demo"),
    "SKIP_REPEAT_ON_START": ("1", "node.skip_repeat_on_start", True),
    "USE_BACKDOOR_CONTROLS": ("true", "node.use_backdoor_controls", True),
    "NODE_ALLOWED_ORIGINS": ("http://ui:80", "node.allowed_origins", "http://ui:80"),
    "UVICORN_RELOAD": ("1", "node.reload", True),
    "MIN_UNCERTAIN_THRESHOLD": ("0.1", "detector.min_uncertain_threshold", 0.1),
    "MAX_UNCERTAIN_THRESHOLD": ("0.9", "detector.max_uncertain_threshold", 0.9),
    "VERSION_CONTROL_DEFAULT": ("pause", "detector.version_control_default", VersionMode.Pause),
    "LOG_FORMAT": ("json", "logs.format", LogFormat.JSON),
    "SYNC_CYCLES": ("12", "detector.sync_cycles", 12),
    "EXCLUSIVE_MODEL_BUILD": ("True", "detector.exclusive_model_build", True),
    "NODE_VERSION": ("1.2.3", "detector.node_version", "1.2.3"),
    "DETECTOR_QUEUE_SIZE": ("5", "detector.queue_size", 5),
    "INFERENCE_HANG_S": ("10.5", "detector.inference_hang_s", 10.5),
    "MAX_IMAGE_PIXELS": ("1000", "detector.max_pixels", 1000),
    "MAX_REQUEST_BYTES": ("1000", "detector.max_request_bytes", 1000),
    "MAX_CAMERAS": ("3", "detector.max_cameras", 3),
    "ONNX_PROVIDERS": ("CUDAExecutionProvider", "onnx.providers", "CUDAExecutionProvider"),
    "ONNX_THREADS": ("3", "onnx.threads", 3),
    "ONNX_MAX_BATCH_SIZE": ("1", "onnx.max_batch_size", 1),
    "ONNX_CONF_THRESHOLD": ("0.5", "onnx.conf_threshold", 0.5),
    "ONNX_IOU_THRESHOLD": ("0.5", "onnx.iou_threshold", 0.5),
    "MAX_OUTBOX_SIZE": ("2", "outbox.max_size", 2),
    "MAX_OUTBOX_BYTES": ("1000000", "outbox.max_bytes", 1_000_000),
    "OUTBOX_MIN_FREE_BYTES": ("0", "outbox.min_free_bytes", 0),
    "OUTBOX_DISK_FULL": ("refuse", "outbox.disk_full", DiskFull.REFUSE),
    "RESTART_AFTER_TRAINING": ("TRUE", "trainer.restart_after_training", True),
    "KEEP_OLD_TRAININGS": ("1", "trainer.keep_old_trainings", True),
    "INFERENCE_BATCH_SIZE": ("3", "trainer.inference_batch_size", 3),
    "TRAINER_IDLE_TIMEOUT_SEC": ("60", "trainer.idle_timeout_s", 60),
    "TRAINING_SILENCE_LIMIT_S": ("600", "trainer.silence_limit_s", 600.0),
    "TRAINING_SLOT_LOCK": ("/lock", "trainer.training_slot_lock", Path("/lock")),
    "ANNOTATION_TOOL_HANG_S": ("1.5", "annotator.tool_hang_s", 1.5),
    "ANNOTATION_IDLE_S": ("60", "annotator.idle_s", 60),
    "MAX_ANNOTATION_USERS": ("5", "annotator.max_users", 5),
    "MAX_ANNOTATION_IMAGES": ("7", "annotator.max_images", 7),
    "CONVERTER_INTERVAL_S": ("5", "converter.interval_s", 5.0),
    "CONVERTER_TIME_LIMIT_S": ("60", "converter.time_limit_s", 60.0),
    "CONVERTER_MEMORY_LIMIT_BYTES": ("0", "converter.memory_limit_bytes", 0),
    "LOOP_DATA_FOLDER": ("/loop", "loop_server.data_folder", Path("/loop")),
    "LOOP_DATABASE_URL": ("sqlite://", "loop_server.database_url", "sqlite://"),
    "LOOP_GRACE_PERIOD": ("7", "loop_server.grace_period_days", 7),
    "LOOP_REQUIRE_NODE_TOKEN": ("1", "loop_server.require_node_token", True),
}
OLDER_NAMES = {
    "LOOP_HOST": "HOST",
    "LOOP_USERNAME": "USERNAME",
    "LOOP_PASSWORD": "PASSWORD",
    "LOOP_ORGANIZATION": "ORGANIZATION",
    "LOOP_PROJECT": "PROJECT",
}


def test_the_table_is_complete():
    assert {variable.name for variable in ENVIRONMENT} == set(VARIABLES)
    assert {variable.name: variable.older for variable in ENVIRONMENT if variable.older} == OLDER_NAMES


@pytest.mark.parametrize(("name", "text", "field", "value"), [(name, *case) for name, case in VARIABLES.items()])
def test_variable_sets_its_field_and_no_other_of_its_group(name, text, field, value):
    settings, defaults = load_settings({name: text}), load_settings({})
    assert field_of(settings, field) == value
    assert field_of(defaults, field) != value
    group, _, only = field.partition(".")
    assert getattr(settings, group).model_copy(update={only: field_of(defaults, field)}) == getattr(defaults, group)


@pytest.mark.parametrize("name", VARIABLES)
def test_empty_counts_as_unset(name, caplog):
    assert load_settings({name: ""}) == load_settings({})
    assert not caplog.records


@pytest.mark.parametrize(("name", "older"), OLDER_NAMES.items())
def test_older_name(name, older, caplog):
    text, field, value = VARIABLES[name]
    assert field_of(load_settings({older: text}), field) == value
    assert field_of(load_settings({older: text, name: ""}), field) == value
    assert field_of(load_settings({older: text, name: text}), field) == value
    assert not caplog.records
    assert field_of(load_settings({older: "other", name: text}), field) == value
    assert f"{name} and {older} are both set and differ; {name} is used" in caplog.text


def test_unrelated_variables_are_not_read():
    unrelated = dict.fromkeys(
        ["USER", "PORT", "LOOP", "MAX_SIZE", "MAX_BYTES", "QUEUE_SIZE", "OPEN", "DATABASE_URL", "loop_host", "NODE"],
        "7",
    )
    assert load_settings(unrelated) == load_settings({})


def test_login_is_that_of_the_first_administrator_too():
    server = load_settings({"LOOP_USERNAME": "ada", "LOOP_PASSWORD": "secret"}).loop_server
    assert (server.username, server.password.get_secret_value()) == ("ada", "secret")
    assert load_settings({}).loop_server.username == "admin"


@pytest.mark.parametrize(
    ("text", "expected", "is_known"),
    [
        ("1", True, True),
        ("true", True, True),
        ("True", True, True),
        ("TRUE", True, True),
        ("0", False, True),
        ("False", False, True),
        ("no", False, True),
        ("maybe", False, False),
        ("2", False, False),
    ],
)
@pytest.mark.parametrize("name", ["EXCLUSIVE_MODEL_BUILD", "USE_BACKDOOR_CONTROLS", "SKIP_REPEAT_ON_START"])
def test_spellings_of_yes_and_no(name, text, expected, is_known, caplog):
    assert field_of(load_settings({name: text}), VARIABLES[name][1]) is expected
    assert ("is not a known value" in caplog.text) is not is_known
    assert is_known or f"{name}={text}" in caplog.text


@pytest.mark.parametrize(
    ("text", "expected", "is_known"),
    [
        ("pause", VersionMode.Pause, True),
        ("PAUSE", VersionMode.Pause, True),
        ("Pause", VersionMode.Pause, True),
        ("follow_loop", VersionMode.FollowLoop, True),
        ("specific_version", VersionMode.FollowLoop, False),
        ("1.3", VersionMode.FollowLoop, False),
    ],
)
def test_spellings_of_the_version_mode(text, expected, is_known, caplog):
    with caplog.at_level(logging.WARNING):
        assert load_settings({"VERSION_CONTROL_DEFAULT": text}).detector.version_control_default is expected
    assert ("VERSION_CONTROL_DEFAULT" in caplog.text) is not is_known


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("MAX_OUTBOX_SIZE", "0", "greater than 0"),
        ("MAX_OUTBOX_SIZE", "-1", "greater than 0"),
        ("MAX_OUTBOX_SIZE", "many", "valid integer"),
        ("MAX_OUTBOX_SIZE", "1.5", "valid integer"),
        ("SYNC_CYCLES", "0", "greater than 0"),
        ("MIN_UNCERTAIN_THRESHOLD", "-0.1", "greater than or equal to 0"),
        ("MAX_UNCERTAIN_THRESHOLD", "1.1", "less than or equal to 1"),
        ("MAX_UNCERTAIN_THRESHOLD", "nan", ""),
        ("MIN_UNCERTAIN_THRESHOLD", "0,3", "valid number"),
        ("INFERENCE_HANG_S", "inf", "finite"),
        ("OUTBOX_DISK_FULL", "newest", "'oldest' or 'refuse'"),
        ("MAX_IMAGE_PIXELS", "0", "greater than 0"),
        ("LOOP_REQUIRE_NODE_TOKEN", "maybe", "valid boolean"),
    ],
)
def test_wrong_value_names_the_variable(name, text, reason):
    with pytest.raises(SettingError) as refusal:
        load_settings({name: text})
    assert str(refusal.value).startswith(f"{name}={text}: ")
    assert reason in str(refusal.value)


def test_thresholds_must_leave_something_between_them():
    with pytest.raises(SettingError, match=r"MIN_UNCERTAIN_THRESHOLD.*0\.7.*MAX_UNCERTAIN_THRESHOLD.*0\.6"):
        load_settings({"MIN_UNCERTAIN_THRESHOLD": "0.7"})
    equal = load_settings({"MIN_UNCERTAIN_THRESHOLD": "0.5", "MAX_UNCERTAIN_THRESHOLD": "0.5"}).detector
    assert equal.min_uncertain_threshold == equal.max_uncertain_threshold == 0.5


def test_the_data_folder_is_that_of_the_moment():
    GLOBALS.data_folder = "/elsewhere"
    assert load_settings({}).node.data_folder == Path("/elsewhere")


def test_groups_are_frozen_and_know_their_fields():
    with pytest.raises(ValidationError, match="frozen"):
        OutboxSettings(max_size=2).max_size = 3
    with pytest.raises(ValidationError, match="max_sice"):
        OutboxSettings(max_sice=2)  # type: ignore[call-arg]


def test_passwords_are_not_shown():
    settings = load_settings({"LOOP_PASSWORD": "secret"})
    assert "secret" not in repr(settings)
    assert "secret" not in settings.model_dump_json()


@pytest.mark.parametrize("variable", ENVIRONMENT, ids=lambda variable: variable.name)
def test_every_variable_is_described(variable):
    assert variable.description.endswith(".")


def field_of(settings: Settings, field: str) -> Any:
    group, _, name = field.partition(".")
    return getattr(getattr(settings, group), name)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        pytest.param("LOOP_HOST", None, id="right"),
        pytest.param("HOST", None, id="older name"),
        pytest.param("loop_host", "LOOP_HOST", id="lower case"),
        pytest.param("LOOP_ORGANISATION", "LOOP_ORGANIZATION", id="another English"),
        pytest.param("LOOP_PASWORD", "LOOP_PASSWORD", id="a letter less"),
        pytest.param("OUTBOX_MAX_SIZE", "MAX_OUTBOX_SIZE", id="another order"),
        pytest.param("DATA-FOLDER", "DATA_FOLDER", id="hyphen"),
        pytest.param("PATH", None, id="short"),
        pytest.param("HOSTNAME", None, id="of the shell"),
        pytest.param("LOG_LEVEL", None, id="of another program"),
    ],
)
def test_misspelled(name: str, meant: str | None):
    assert misspelled_variables({name: "x"}) == ({name: meant} if meant else {})


def test_what_is_there_was_not_meant():
    assert misspelled_variables({"LOOP_HOSTS": "x", "LOOP_HOST": "y"}) == {}


def test_older_names():
    environment = {"HOST": "a", "PROJECT": "b", "LOOP_PROJECT": "c", "USERNAME": ""}
    assert older_variables(environment) == {"HOST": "LOOP_HOST"}


def test_listening_address():
    assert listening_address({}) == ("0.0.0.0", None)
    assert listening_address({"NODE_HOST": "::1", "NODE_PORT": "5004"}) == ("::1", 5004)
    for text in ("0", "65536", "http"):
        with pytest.raises(SettingError, match=f"NODE_PORT={text}"):
            listening_address({"NODE_PORT": text})


def test_the_format_of_the_log_is_known_before_the_rest():
    assert load_log_settings({"LOG_FORMAT": "json", "SYNC_CYCLES": "x"}).as_json
    assert not load_log_settings({"LOG_FORMAT": "yaml"}).as_json
    with pytest.raises(SettingError, match="LOG_FORMAT=yaml"):
        load_settings({"LOG_FORMAT": "yaml"})
