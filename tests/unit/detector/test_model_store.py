from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from learning_loop_node.data_classes import ModelInformation
from learning_loop_node.detector.model_store import ModelStore, is_version
from learning_loop_node.errors import ArchiveRefusedError, InvalidDataError, ModelRefusedError, NodeError
from tests.builders import make_model_information
from tests.models import model_json, model_zip, write_model, zip_of

WANTED = ModelInformation(
    id=make_model_information().id, host="localhost", organization="zauberzeug", project="demo", version="1.0"
)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path)


def download(store: ModelStore, content: bytes) -> Path:
    archive = store.archive_of(WANTED)
    archive.write_bytes(content)
    return archive


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.0", True),
        ("10.20.30", True),
        ("7", True),
        ("", False),
        (".", False),
        ("..", False),
        ("1.", False),
        (".1", False),
        ("1..2", False),
        ("../1", False),
        ("1/2", False),
        ("1.0\n", False),
        ("١.٠", False),
        ("v1", False),
        ("1" * 65, False),
        (None, False),
        (1.0, False),
    ],
)
def test_is_version(text: object, expected: bool) -> None:
    assert is_version(text) is expected


def test_creating_it_touches_nothing(store: ModelStore, tmp_path: Path) -> None:
    assert store.local_versions() == []
    assert store.current() is None
    assert list(tmp_path.iterdir()) == []


def test_versions_are_in_numerical_order(store: ModelStore, tmp_path: Path) -> None:
    for name in ("1.10", "1.9", "2", "..nothing", "1.x"):
        (tmp_path / "models" / name).mkdir(parents=True)
    (tmp_path / "models" / "3.0").write_text("a file")
    assert store.local_versions() == ["1.9", "1.10", "2"]


@pytest.mark.parametrize("prefix", ["", "model/"])
def test_installs_an_archive(store: ModelStore, tmp_path: Path, prefix: str) -> None:
    archive = download(store, model_zip(prefix=prefix))
    information = store.install(archive, WANTED)
    assert information == make_model_information(model_root_path=str(tmp_path / "models" / "1.0"))
    assert (tmp_path / "models/1.0/weights.bin").read_text() == "weights"
    assert store.find(WANTED) == information
    assert store.local_versions() == ["1.0"]
    assert list((tmp_path / "model_staging").iterdir()) == []


def test_a_new_installation_replaces_the_old_one_as_a_whole(store: ModelStore, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "models" / "1.0", make_model_information(id="another"))
    (folder / "old.txt").write_text("old")
    store.install(download(store, model_zip()), WANTED)
    assert sorted(entry.name for entry in folder.iterdir()) == ["model.json", "weights.bin"]


def test_model_json_stays_as_it_is_if_nothing_is_missing(store: ModelStore, tmp_path: Path) -> None:
    text = json.dumps(model_json(format="mocked", future_key=[1]), indent=3)
    store.install(download(store, zip_of({"model.json": text})), WANTED)
    assert (tmp_path / "models/1.0/model.json").read_text() == text


def test_model_json_is_completed(store: ModelStore, tmp_path: Path) -> None:
    content = zip_of({"model.json": json.dumps({"categories": [], "future_key": [1], "version": "0.9"})})
    information = store.install(download(store, content), WANTED)
    assert (information.id, information.version, information.project) == (WANTED.id, "1.0", "demo")
    assert json.loads((tmp_path / "models/1.0/model.json").read_text())["future_key"] == [1]


@pytest.mark.parametrize(
    ("content", "error", "text"),
    [
        pytest.param(b"", ArchiveRefusedError, ".", id="empty file"),
        pytest.param(b"no zip", ArchiveRefusedError, ".", id="no zip"),
        pytest.param(model_zip()[:-30], ArchiveRefusedError, ".", id="truncated"),
        pytest.param(zip_of({}), NodeError, ".", id="no files"),
        pytest.param(zip_of({"weights.bin": ""}), InvalidDataError, "no model.json", id="no model.json"),
        pytest.param(zip_of({"model.json": "{"}), InvalidDataError, "not valid JSON", id="broken model.json"),
        pytest.param(zip_of({"model.json": "[]"}), InvalidDataError, "must be an object", id="list in model.json"),
        pytest.param(model_zip(resolution=800.5), InvalidDataError, "resolution", id="wrong type in model.json"),
        pytest.param(model_zip(id="another"), ModelRefusedError, "holds the model another", id="another model"),
        pytest.param(zip_of({"../evil.txt": "", "model.json": "{}"}), ArchiveRefusedError, ".", id="traversal"),
    ],
)
def test_archives_that_are_refused(
    store: ModelStore, tmp_path: Path, content: bytes, error: type[Exception], text: str
) -> None:
    write_model(tmp_path / "models" / "1.0", weights="old")
    with pytest.raises(error, match=text):
        store.install(download(store, content), WANTED)
    assert (tmp_path / "models/1.0/weights.bin").read_text() == "old"
    assert list((tmp_path / "model_staging").iterdir()) == []
    assert not (tmp_path / "evil.txt").exists()


@pytest.mark.parametrize("version", ["..", "../../etc", "", "1.0/../2.0"])
def test_a_version_that_is_a_path_is_refused(store: ModelStore, tmp_path: Path, version: str) -> None:
    wanted = make_model_information(version=version)
    assert store.find(wanted) is None
    with pytest.raises(InvalidDataError, match="no model version"):
        store.archive_of(wanted)
    with pytest.raises(InvalidDataError, match="no model version"):
        store.install(tmp_path / "a.zip", wanted)


def test_only_the_wanted_download_stays_in_staging(store: ModelStore, tmp_path: Path) -> None:
    archive = store.archive_of(WANTED)
    part = archive.with_name(archive.name + ".part")
    part.write_text("half")
    (tmp_path / "model_staging" / "0.9-other.zip.part").write_text("half")
    (tmp_path / "model_staging" / "unpacked-1").mkdir()
    assert store.archive_of(WANTED) == archive
    assert list((tmp_path / "model_staging").iterdir()) == [part]


def test_ids_of_the_loop_are_no_paths(store: ModelStore, tmp_path: Path) -> None:
    archive = store.archive_of(make_model_information(id="../../evil"))
    assert archive.parent == tmp_path / "model_staging"


def test_set_current_moves_both_links(store: ModelStore, tmp_path: Path) -> None:
    for version in ("1.0", "1.1"):
        folder = write_model(tmp_path / "models" / version, make_model_information(version=version))
        store.set_current(make_model_information(version=version, model_root_path=str(folder)))
    assert (tmp_path / "current_model").readlink() == Path("models/1.1")
    assert (tmp_path / "model" / "weights.bin").read_text() == "weights"
    assert [found.version for found in store.candidates()] == ["1.1", "1.0"]


def link_0_27(root: Path) -> None:
    (root / "current_model").symlink_to(root / "models" / "1.0")


def link_0_18(root: Path) -> None:
    (root / "model").symlink_to(root / "models" / "1.0")


def link_of_another_mount(root: Path) -> None:
    (root / "current_model").symlink_to("/elsewhere/models/1.0")


def history_only(root: Path) -> None:
    (root / "model_history.json").write_text('["2.0", "../..", 7, "1.0"]')


def broken_links_and_history(root: Path) -> None:
    (root / "current_model").symlink_to("nowhere")
    (root / "model").symlink_to("models/2.0")
    write_model(root / "models" / "2.0")
    (root / "models" / "2.0" / "model.json").write_text('{"id": 7}')
    history_only(root)


def looped_links(root: Path) -> None:
    (root / "current_model").symlink_to("model")
    (root / "model").symlink_to("current_model")
    history_only(root)


def empty_folder_is_current(root: Path) -> None:
    (root / "models" / "2.0").mkdir(parents=True)
    (root / "current_model").symlink_to("models/2.0")
    history_only(root)


@pytest.mark.parametrize(
    "prepare",
    [
        link_0_27,
        link_0_18,
        link_of_another_mount,
        history_only,
        broken_links_and_history,
        looped_links,
        empty_folder_is_current,
    ],
)
def test_current_tolerates_what_is_on_disk(store: ModelStore, tmp_path: Path, prepare: Callable[[Path], None]) -> None:
    write_model(tmp_path / "models" / "1.0")
    prepare(tmp_path)
    current = store.current()
    assert current is not None
    assert current.version == "1.0"
    assert current.model_root_path == str(tmp_path / "models" / "1.0")
    store.set_current(current)
    assert ModelStore(tmp_path).current() == current


def test_a_model_that_never_served_is_no_start(store: ModelStore, tmp_path: Path) -> None:
    write_model(tmp_path / "models" / "1.0")
    assert store.current() is None


@pytest.mark.parametrize("history", ["{", "{}", "7", "\0"])
def test_a_broken_history_is_ignored(store: ModelStore, tmp_path: Path, history: str) -> None:
    (tmp_path / "model_history.json").write_text(history)
    assert store.current() is None


def test_a_folder_put_in_the_place_of_the_link(store: ModelStore, tmp_path: Path) -> None:
    write_model(tmp_path / "model")
    current = store.current()
    assert current is not None
    assert current.model_root_path == str(tmp_path / "model")
    store.set_current(current)
    assert not (tmp_path / "model").is_symlink()
    information = store.install(download(store, model_zip()), WANTED)
    store.set_current(information)
    assert (tmp_path / "current_model").readlink() == Path("models/1.0")
    assert not (tmp_path / "model").is_symlink()
