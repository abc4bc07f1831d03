"""Imports point downwards: a part may import only what this table lists (and itself)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "learning_loop_node"
ANYTHING = {"*"}

GROUND = {"enums", "errors", "data_classes"}
LOWER = GROUND | {"settings", "images", "logs", "runtime", "api"}
NODE_TYPE = LOWER | {"client", "node", "postprocess", "geometry"}

MAY_IMPORT: dict[str, set[str]] = {
    "enums": set(),
    "errors": set(),
    "data_classes": {"enums", "errors"},
    "geometry": set(),
    "settings": {"enums", "errors"},
    "images": {"enums", "errors"},
    "logs": {"enums", "errors"},
    "runtime": {"errors"},
    "runtime.entrypoint": {"errors", "settings", "logs"},
    "api": {"data_classes", "images", "errors", "runtime"},
    "client": LOWER | {"datasets"},
    "postprocess": {"geometry"} | GROUND,
    "evaluation": GROUND | {"geometry"},
    "onnx_models": GROUND | {"geometry", "postprocess"},
    "selection": {"data_classes", "geometry", "errors"},
    "datasets": GROUND | {"images", "geometry", "runtime"},
    "node": LOWER | {"client"},
    "detector": NODE_TYPE | {"onnx_models"},
    "trainer": NODE_TYPE | {"onnx_models", "evaluation"},
    "annotation": NODE_TYPE,
    "converter": NODE_TYPE | {"onnx_models", "evaluation"},
    "generator": NODE_TYPE,
    "generator.scenes": GROUND | {"geometry"},
    "loop_server": LOWER | {"selection", "geometry", "generator.scenes"},
    "demo": ANYTHING,
    "doctor": NODE_TYPE | {"detector"},
    "cli": ANYTHING,
    "__main__": ANYTHING,
    "__init__": ANYTHING,
}
OLD_PATHS = {"globals", "loop_communication", "data_exchanger", "helpers", "rest"}
OLD_PATHS_INSIDE = {
    "detector.exceptions", "detector.categories", "detector.geometry", "detector.postprocess", "detector.inbox_filter",
    "data_classes.general", "data_classes.annotation_data", "trainer.exceptions", "trainer.subprocess",
}  # fmt: skip
RUN_BY_PATH = {"loop_server.storage.migrations.env"}  # Alembic runs it as a file, which can import nothing relative


def modules() -> Iterator[tuple[str, Path]]:
    for file in sorted(PACKAGE.rglob("*.py")):
        place = file.relative_to(PACKAGE).with_suffix("")
        yield ".".join(place.parts), file


def imports_of(module: str, file: Path) -> Iterator[str]:
    """The modules of ours that a file imports, as paths inside the package."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            assert not any(name.name.startswith("learning_loop_node") for name in node.names), f"{module}: not relative"
        if isinstance(node, ast.ImportFrom) and node.level:
            above = module.split(".")[: -node.level]
            if node.module:
                yield ".".join([*above, node.module])
            else:
                yield from (".".join([*above, name.name]) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("learning_loop_node"):
            assert module in RUN_BY_PATH, f"{module}: not relative"
            yield (node.module or "").removeprefix("learning_loop_node.")


def part_of(module: str) -> str:
    """The row of the table that a module belongs to."""
    return "generator.scenes" if is_below(module, {"generator.scenes"}) else module.split(".")[0]


def is_below(module: str, parts: set[str]) -> bool:
    return any(module == part or module.startswith(f"{part}.") for part in parts)


INSIDE = [entry for entry in modules() if not is_below(entry[0], OLD_PATHS | OLD_PATHS_INSIDE)]


def test_every_part_has_a_row():
    parts = {module.split(".")[0] for module, _ in INSIDE}
    assert parts <= set(MAY_IMPORT)


@pytest.mark.parametrize(("module", "file"), INSIDE, ids=[module for module, _ in INSIDE])
def test_imports_point_downwards(module, file):
    part = part_of(module)
    allowed = MAY_IMPORT.get(module, MAY_IMPORT[part])
    found = set(imports_of(module, file))
    assert not [name for name in found if is_below(name, OLD_PATHS | OLD_PATHS_INSIDE)], "old paths are for programs"
    others = {part_of(name) for name in found} - {part}
    assert allowed == ANYTHING or others <= allowed


def test_geometry_needs_numpy_only():
    allowed = {"__future__", "collections.abc", "dataclasses", "itertools", "math", "typing", "numpy", "numpy.typing"}
    for module, file in INSIDE:
        if module.startswith("geometry"):
            found = {
                node.module
                for node in ast.walk(ast.parse(file.read_text()))
                if isinstance(node, ast.ImportFrom) and not node.level
            }
            assert found <= allowed, module


def is_read_of_the_environment(node: ast.AST) -> bool:
    """`os.environ`, `os.getenv`, or an import of them; Socket.IO servers have an `environ` of their own."""
    names = ("environ", "getenv")
    if isinstance(node, ast.ImportFrom):
        return node.module == "os" and any(name.name in names for name in node.names)
    if not isinstance(node, ast.Attribute) or node.attr not in names:
        return False
    return isinstance(node.value, ast.Name) and node.value.id == "os"


@pytest.mark.parametrize(("module", "file"), INSIDE, ids=[module for module, _ in INSIDE])
def test_the_environment_is_read_in_one_place(module, file):
    reads = [node for node in ast.walk(ast.parse(file.read_text())) if is_read_of_the_environment(node)]
    assert not reads or module in {"settings", "runtime.entrypoint", "runtime.command"}


@pytest.mark.parametrize(("module", "file"), INSIDE, ids=[module for module, _ in INSIDE])
def test_nothing_ends_the_process_or_changes_its_folder(module, file):
    calls = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert not calls & {"sys.exit", "os.chdir"}
    assert not calls & {"os._exit"} or module == "runtime.termination"
