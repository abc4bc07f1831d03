"""All settings, as frozen and typed groups; the only reader of the environment.

The groups know nothing of the environment. `ENVIRONMENT` maps each variable to its field, `load_settings` reads each
variable exactly once and reports a wrong value with the variable's name. Names match exactly; empty counts as unset. If
a variable and its older name are both set and differ, the first wins with a warning.
"""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from .enums import VersionMode
from .errors import SettingError

logger = logging.getLogger(__name__)

MEGABYTE = 1_000_000
LIKE = 0.87
"""So much alike are two names of which one is probably a misspelling of the other."""


class Globals:
    """What user programs set before they construct a node: `GLOBALS.data_folder = '/data'`."""

    def __init__(self) -> None:
        self.data_folder: str = os.environ.get("DATA_FOLDER") or "/data"
        self.detector_port: int = 5004


GLOBALS = Globals()


class DiskFull(StrEnum):
    """What gives way when the outbox is full: its oldest image, or the new one."""

    OLDEST = "oldest"
    REFUSE = "refuse"


class LogFormat(StrEnum):
    """What a line of the log is: text for people, or a JSON object for programs."""

    TEXT = "text"
    JSON = "json"


class Group(BaseModel):
    """A frozen group of settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LogSettings(Group):
    """How the log is written, by nodes, by the loop and on the command line."""

    format: LogFormat = Field(
        default=LogFormat.TEXT, description="`text`, or `json` for one JSON object per line of the log."
    )

    @property
    def as_json(self) -> bool:
        return self.format is LogFormat.JSON


class LoopSettings(Group):
    """Where the loop is and who we are there."""

    host: str = Field(
        default="learning-loop.ai",
        description="Host of the loop, with `:port` if needed. `https` if it contains `learning-loop.ai` or starts "
        "with `https://`, else `http`.",
    )
    username: str = Field(default="", description="Login at the loop; a detector needs none.")
    password: SecretStr = Field(default=SecretStr(""), description="Password to the user name.")
    token: SecretStr = Field(default=SecretStr(""), description="Token to show in place of user name and password.")
    ssl_certificate_path: str = Field(default="", description="File with the certificate authority of the loop.")
    organization: str = Field(default="", description="Organization of the project; a detector needs it.")
    project: str = Field(default="", description="Project at the loop; a detector needs it.")


class NodeSettings(Group):
    """What every node has."""

    data_folder: Path = Field(default=Path("/data"), description="Where a node keeps everything.")
    skip_repeat_on_start: bool = Field(default=False, description="Start without talking to the loop.")
    use_backdoor_controls: bool = Field(
        default=False, description="Offer operations meant for tests, such as `/reset`."
    )
    allowed_origins: str = Field(
        default="",
        description="Pages that may use the node from a browser, as `http://host:port`, separated by commas; without "
        "it those of the same host, with it no others, which also keeps foreign names from leading here.",
    )
    reload: bool = Field(default=False, description="`run_node` starts the program anew when a source file changes.")


class DetectorSettings(Group):
    """How a detector detects, and which model it runs."""

    min_uncertain_threshold: float = Field(default=0.3, ge=0, le=1, description="Lowest confidence that is uncertain.")
    max_uncertain_threshold: float = Field(default=0.6, ge=0, le=1, description="Highest confidence that is uncertain.")
    version_control_default: VersionMode = Field(
        default=VersionMode.FollowLoop, description="`follow_loop`, or `pause` to keep the model as it is."
    )
    sync_cycles: int = Field(default=6, gt=0, description="Status goes to the loop every this many cycles of 5 s.")
    exclusive_model_build: bool = Field(
        default=False, description="Drop the old model before the new one is built; requests are refused meanwhile."
    )
    node_version: str | None = Field(default=None, description="Version of your program, shown at the loop.")
    queue_size: int = Field(
        default=64, gt=0, description="Images that may wait for the detector; more are refused (503)."
    )
    inference_hang_s: float = Field(
        default=300, gt=0, description="A detection that takes longer than this many seconds ends the process."
    )
    max_pixels: int = Field(default=64_000_000, gt=0, description="Largest image in pixels.")
    max_request_bytes: int = Field(default=64 * 2**20, gt=0, description="Largest request in bytes.")
    max_cameras: int = Field(default=1000, gt=0, description="Cameras whose sightings the relevance filter remembers.")

    @model_validator(mode="after")
    def _thresholds_in_order(self) -> Self:
        low, high = self.min_uncertain_threshold, self.max_uncertain_threshold
        if low > high:
            raise ValueError(f"min_uncertain_threshold ({low}) must not be above max_uncertain_threshold ({high})")
        return self


class OnnxSettings(Group):
    """How detectors of ONNX models run them. What is None stands in the model's `model.json`, or follows from it."""

    providers: str = Field(
        default="",
        description="Execution providers of ONNX Runtime, such as `CUDAExecutionProvider`, separated by commas; the "
        "first that works is used, the CPU in the end. Without it CUDA, where it is there.",
    )
    threads: int = Field(
        default=0,
        ge=0,
        description="Processors that an ONNX model uses at a time; `0`: all but one, which decodes images, or two.",
    )
    max_batch_size: int = Field(
        default=0,
        ge=0,
        le=256,
        description="Images that an ONNX model gets at once at most, where it takes several; `0`: 8 on a GPU, 1 on the "
        "CPU, where more at once are not faster.",
    )
    conf_threshold: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Confidence that a detection must exceed; without it that of `model.json`, else 0.25.",
    )
    iou_threshold: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Of boxes of a category that overlap more, one stays; without it that of `model.json`, else 0.6.",
    )

    @property
    def provider_names(self) -> list[str]:
        return [name.strip() for name in self.providers.split(",") if name.strip()]


class OutboxSettings(Group):
    """How images wait for their upload."""

    max_size: int = Field(default=1000, gt=0, description="Images kept (those with priority not counted).")
    max_bytes: int = Field(default=20_000 * MEGABYTE, gt=0, description="Bytes kept, all images together.")
    min_free_bytes: int = Field(default=200 * MEGABYTE, ge=0, description="Bytes left free on the disk.")
    disk_full: DiskFull = Field(
        default=DiskFull.OLDEST,
        description="What gives way when a limit is reached: `oldest`, or `refuse` the new image.",
    )


class TrainerSettings(Group):
    """What a trainer does around its trainings."""

    restart_after_training: bool = Field(default=False, description="End the process after each training.")
    keep_old_trainings: bool = Field(
        default=False, description="Keep the folders of earlier trainings when a new one begins."
    )
    inference_batch_size: int = Field(
        default=10, gt=0, description="Images that a new model gets at once when it detects after a training."
    )
    idle_timeout_s: float = Field(
        default=0, ge=0, description="End the process after so many seconds without a training; `0`: never."
    )
    training_slot_lock: Path | None = Field(
        default=None,
        description="File that trainers on one GPU share, so that one trains at a time; its folder must exist.",
    )
    silence_limit_s: float = Field(
        default=0,
        ge=0,
        description="End a training program that has printed nothing for so many seconds, and take that for a failure; "
        "`0`: never.",
    )


class AnnotatorSettings(Group):
    """What an annotator keeps, and how long it waits for its tool."""

    tool_hang_s: float = Field(
        default=30,
        gt=0,
        description="An input for which the annotation tool takes longer than this many seconds fails.",
    )
    max_users: int = Field(
        default=1000,
        gt=0,
        description="People whose history is kept; one more takes the place of the one idle longest.",
    )
    idle_s: float = Field(default=3600, gt=0, description="The history of a person is forgotten after so many seconds.")
    max_images: int = Field(default=1000, gt=0, description="Images that an annotator keeps in its folder.")


class ConverterSettings(Group):
    """How a converter node looks for models, and what a conversion may take."""

    interval_s: float = Field(
        default=60, gt=0, description="Seconds after which a converter looks for models; our own loop tells it sooner."
    )
    time_limit_s: float = Field(
        default=3600, gt=0, description="A conversion that takes longer than this many seconds is ended."
    )
    memory_limit_bytes: int = Field(
        default=8 * 2**30,
        ge=0,
        description="Memory that each process of a conversion may allocate; 0 means no limit.",
    )


class LoopServerSettings(Group):
    """The loop that we run ourselves."""

    data_folder: Path = Field(default=Path("loop_data"), description="Where the loop keeps database and files.")
    database_url: str = Field(default="", description="Database; empty means SQLite in the data folder.")
    username: str = Field(default="admin", description="Name of the first administrator.")
    password: SecretStr = Field(
        default=SecretStr(""), description="The first administrator's password; without it one is made and shown once."
    )
    require_node_token: bool = Field(
        default=False, description="Let no node in without login; 0.18 to 0.27 detectors can then not upload."
    )
    grace_period_days: float = Field(
        default=30, ge=0, le=36_500, description="Days for which deleted images and projects can be restored."
    )
    open: bool = Field(default=False, description="No login for anybody; only on a loopback address.")
    demo_data: bool = Field(default=False, description="Have the project zauberzeug/demo, for tests of nodes.")
    max_request_bytes: int = Field(default=2 * 2**30, gt=0, description="Largest request in bytes.")
    max_pixels: int = Field(default=64_000_000, gt=0, description="Largest image in pixels.")


class Settings(Group):
    """All groups together."""

    logs: LogSettings = LogSettings()
    loop: LoopSettings = LoopSettings()
    node: NodeSettings = NodeSettings()
    detector: DetectorSettings = DetectorSettings()
    onnx: OnnxSettings = OnnxSettings()
    outbox: OutboxSettings = OutboxSettings()
    trainer: TrainerSettings = TrainerSettings()
    annotator: AnnotatorSettings = AnnotatorSettings()
    converter: ConverterSettings = ConverterSettings()
    loop_server: LoopServerSettings = LoopServerSettings()


def _truth(text: str) -> bool:
    """0.27 takes `1`, `true`, `True` for yes and everything else for no; what is neither gets a warning."""
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() not in ("0", "false", "no", "off"):
        raise LooseSpellingError("0")
    return False


def _version_mode(text: str) -> VersionMode:
    if text.lower() == VersionMode.Pause:
        return VersionMode.Pause
    if text.lower() != VersionMode.FollowLoop:
        raise LooseSpellingError(VersionMode.FollowLoop)
    return VersionMode.FollowLoop


class LooseSpellingError(Exception):
    """A value that 0.27 would silently have taken for this default."""

    def __init__(self, default: str) -> None:
        super().__init__(default)
        self.default = default


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One environment variable and the field that it sets; `older` is the name it had before."""

    name: str
    group: str
    field: str
    older: str | None = None
    parse: Callable[[str], Any] = str

    @property
    def description(self) -> str:
        return Settings.model_fields[self.group].annotation.model_fields[self.field].description  # type: ignore[union-attr, no-any-return]

    @property
    def default(self) -> Any:
        return Settings.model_fields[self.group].annotation.model_fields[self.field].default  # type: ignore[union-attr]


ENVIRONMENT = (
    Variable(name="LOG_FORMAT", group="logs", field="format"),
    Variable(name="LOOP_HOST", group="loop", field="host", older="HOST"),
    Variable(name="LOOP_USERNAME", group="loop", field="username", older="USERNAME"),
    Variable(name="LOOP_PASSWORD", group="loop", field="password", older="PASSWORD"),
    Variable(name="LOOP_TOKEN", group="loop", field="token"),
    Variable(name="LOOP_SSL_CERT_PATH", group="loop", field="ssl_certificate_path"),
    Variable(name="LOOP_ORGANIZATION", group="loop", field="organization", older="ORGANIZATION"),
    Variable(name="LOOP_PROJECT", group="loop", field="project", older="PROJECT"),
    Variable(name="SKIP_REPEAT_ON_START", group="node", field="skip_repeat_on_start", parse=_truth),
    Variable(name="USE_BACKDOOR_CONTROLS", group="node", field="use_backdoor_controls", parse=_truth),
    Variable(name="NODE_ALLOWED_ORIGINS", group="node", field="allowed_origins"),
    Variable(name="UVICORN_RELOAD", group="node", field="reload", parse=_truth),
    Variable(name="MIN_UNCERTAIN_THRESHOLD", group="detector", field="min_uncertain_threshold"),
    Variable(name="MAX_UNCERTAIN_THRESHOLD", group="detector", field="max_uncertain_threshold"),
    Variable(name="VERSION_CONTROL_DEFAULT", group="detector", field="version_control_default", parse=_version_mode),
    Variable(name="SYNC_CYCLES", group="detector", field="sync_cycles"),
    Variable(name="EXCLUSIVE_MODEL_BUILD", group="detector", field="exclusive_model_build", parse=_truth),
    Variable(name="NODE_VERSION", group="detector", field="node_version"),
    Variable(name="DETECTOR_QUEUE_SIZE", group="detector", field="queue_size"),
    Variable(name="INFERENCE_HANG_S", group="detector", field="inference_hang_s"),
    Variable(name="MAX_IMAGE_PIXELS", group="detector", field="max_pixels"),
    Variable(name="MAX_REQUEST_BYTES", group="detector", field="max_request_bytes"),
    Variable(name="MAX_CAMERAS", group="detector", field="max_cameras"),
    Variable(name="ONNX_PROVIDERS", group="onnx", field="providers"),
    Variable(name="ONNX_THREADS", group="onnx", field="threads"),
    Variable(name="ONNX_MAX_BATCH_SIZE", group="onnx", field="max_batch_size"),
    Variable(name="ONNX_CONF_THRESHOLD", group="onnx", field="conf_threshold"),
    Variable(name="ONNX_IOU_THRESHOLD", group="onnx", field="iou_threshold"),
    Variable(name="MAX_OUTBOX_SIZE", group="outbox", field="max_size"),
    Variable(name="MAX_OUTBOX_BYTES", group="outbox", field="max_bytes"),
    Variable(name="OUTBOX_MIN_FREE_BYTES", group="outbox", field="min_free_bytes"),
    Variable(name="OUTBOX_DISK_FULL", group="outbox", field="disk_full"),
    Variable(name="RESTART_AFTER_TRAINING", group="trainer", field="restart_after_training", parse=_truth),
    Variable(name="KEEP_OLD_TRAININGS", group="trainer", field="keep_old_trainings", parse=_truth),
    Variable(name="INFERENCE_BATCH_SIZE", group="trainer", field="inference_batch_size"),
    Variable(name="TRAINER_IDLE_TIMEOUT_SEC", group="trainer", field="idle_timeout_s"),
    Variable(name="TRAINING_SLOT_LOCK", group="trainer", field="training_slot_lock"),
    Variable(name="TRAINING_SILENCE_LIMIT_S", group="trainer", field="silence_limit_s"),
    Variable(name="ANNOTATION_TOOL_HANG_S", group="annotator", field="tool_hang_s"),
    Variable(name="ANNOTATION_IDLE_S", group="annotator", field="idle_s"),
    Variable(name="MAX_ANNOTATION_USERS", group="annotator", field="max_users"),
    Variable(name="MAX_ANNOTATION_IMAGES", group="annotator", field="max_images"),
    Variable(name="CONVERTER_INTERVAL_S", group="converter", field="interval_s"),
    Variable(name="CONVERTER_TIME_LIMIT_S", group="converter", field="time_limit_s"),
    Variable(name="CONVERTER_MEMORY_LIMIT_BYTES", group="converter", field="memory_limit_bytes"),
    Variable(name="LOOP_DATA_FOLDER", group="loop_server", field="data_folder"),
    Variable(name="LOOP_DATABASE_URL", group="loop_server", field="database_url"),
    Variable(name="LOOP_REQUIRE_NODE_TOKEN", group="loop_server", field="require_node_token"),
    Variable(name="LOOP_GRACE_PERIOD", group="loop_server", field="grace_period_days"),
)
"""Every variable but `DATA_FOLDER`, which `GLOBALS` takes when the package is imported."""

ALSO_OF_THE_LOOP = {"LOOP_USERNAME": "username", "LOOP_PASSWORD": "password", "MAX_IMAGE_PIXELS": "max_pixels"}
"""Variables that mean the same to a node and to our own loop; the login is that of its first administrator."""


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """All settings as the environment says; `SettingError` names the variable that cannot be used."""
    environment = os.environ if environment is None else environment
    values: dict[str, dict[str, Any]] = {group: {} for group in Settings.model_fields}
    names: dict[tuple[str, str], str] = {}
    for variable in ENVIRONMENT:
        text = read_variable(environment, variable.name, variable.older)
        if text is None:
            continue
        names[variable.group, variable.field] = variable.name
        try:
            values[variable.group][variable.field] = variable.parse(text)
        except LooseSpellingError as loose:
            logger.warning("%s=%s is not a known value and taken as %s", variable.name, text, loose.default)
        if variable.name in ALSO_OF_THE_LOOP:
            values["loop_server"][ALSO_OF_THE_LOOP[variable.name]] = text
    values["node"]["data_folder"] = Path(GLOBALS.data_folder)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingError(_text_of(error, names)) from error


def load_log_settings(environment: Mapping[str, str] | None = None) -> LogSettings:
    """How to write the log, before anything else is read; a wrong value is left for `load_settings` to refuse."""
    text = read_variable(os.environ if environment is None else environment, "LOG_FORMAT")
    return LogSettings(format=LogFormat(text)) if text in set(LogFormat) else LogSettings()


def _text_of(error: ValidationError, names: Mapping[tuple[str, str], str]) -> str:
    """The first thing that is wrong, with the names of variables instead of fields."""
    first = error.errors()[0]
    group, *field = map(str, first["loc"])
    if field:
        return f"{names.get((group, field[0]), f'{group}.{field[0]}')}={first['input']}: {first['msg']}"
    text = first["msg"].removeprefix("Value error, ")
    for variable in ENVIRONMENT:
        if variable.group == group:
            text = text.replace(variable.field, variable.name)
    return text


def read_variable(environment: Mapping[str, str], name: str, older: str | None = None) -> str | None:
    """A variable by its name or its older one; empty counts as unset."""
    value = environment.get(name) or None
    former = environment.get(older) or None if older else None
    if value and former and value != former:
        logger.warning("%s and %s are both set and differ; %s is used", name, older, name)
    return value or former


def listening_address(environment: Mapping[str, str] | None = None) -> tuple[str, int | None]:
    """Where `NODE_HOST` and `NODE_PORT` let a node listen; the port is None if the variable is not set."""
    environment = os.environ if environment is None else environment
    text = read_variable(environment, "NODE_PORT")
    if text is not None and not (text.isdecimal() and 0 < int(text) < 65536):
        raise SettingError(f"NODE_PORT={text}: must be a number from 1 to 65535")
    return read_variable(environment, "NODE_HOST") or "0.0.0.0", int(text) if text else None


def older_variables(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables that count only by an older name, such as `USERNAME`, which other programs set, too."""
    environment = os.environ if environment is None else environment
    return {
        variable.older: variable.name
        for variable in ENVIRONMENT
        if variable.older and environment.get(variable.older) and not environment.get(variable.name)
    }


def misspelled_variables(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables that are none of ours but look like one, and the name that is probably meant."""
    environment = os.environ if environment is None else environment
    names = {variable.name for variable in ENVIRONMENT} | {"DATA_FOLDER", "NODE_HOST", "NODE_PORT"}
    known = names | {variable.older for variable in ENVIRONMENT if variable.older}
    return {
        name: meant
        for name in sorted(environment)
        if name not in known and (meant := _meant(name.upper().replace("-", "_"), names)) and meant not in environment
    }


def _meant(name: str, names: Set[str]) -> str | None:
    """The variable of ours with nearly this name, or with the same words in another order."""
    words = sorted(name.split("_"))
    same = next((known for known in sorted(names) if sorted(known.split("_")) == words), None)
    return same or next(iter(difflib.get_close_matches(name, sorted(names), n=1, cutoff=LIKE)), None)


def environment_for_child(**variables: str) -> dict[str, str]:
    """The environment for a program that we start: ours, but of our settings only these."""
    names = {name for variable in ENVIRONMENT for name in (variable.name, variable.older)} | {"DATA_FOLDER"}
    return {name: value for name, value in os.environ.items() if name not in names} | variables
