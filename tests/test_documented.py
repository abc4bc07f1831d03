"""What the tables for users say is what the code does, in both directions; links and the changelog's version hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

import learning_loop_node
from learning_loop_node import errors
from learning_loop_node.api.front_page import FRONT_PAGE
from learning_loop_node.api.operation import Endpoint, Operation
from learning_loop_node.api.replies import status_of
from learning_loop_node.cli import app
from learning_loop_node.cli.exit_status import MEANINGS
from learning_loop_node.converter.converter_node import ConverterNode
from learning_loop_node.converter.operations import converter_operations
from learning_loop_node.detector.detector_node import DetectorNode
from learning_loop_node.detector.maintenance import maintenance_operations
from learning_loop_node.detector.operations import DETECT_OPTIONS, UPLOAD_OPTIONS, detector_operations
from learning_loop_node.helpers.entrypoint import node_parser
from learning_loop_node.loop_server.access.rights import RIGHTS, Role
from learning_loop_node.loop_server.app import endpoints_of
from learning_loop_node.loop_server.loop import Loop
from learning_loop_node.node.metrics import node_metrics
from learning_loop_node.node.operations import node_operations
from learning_loop_node.runtime.metrics import Metric
from learning_loop_node.settings import ENVIRONMENT, LoopServerSettings, Settings
from learning_loop_node.trainer.maintenance import maintenance_operations as trainer_maintenance
from learning_loop_node.trainer.operations import status_operations
from learning_loop_node.trainer.trainer_node import TrainerNode
from mock_nodes.mock_converter.logic import Capitals
from mock_nodes.mock_trainer.logic import MockTrainer
from tests.documents import DOCS, DOCUMENTS, ROOT, broken_links, headings, section
from tests.nodes import BoxesFactory

REFERENCE = (DOCS / "reference.md").read_text()
CHANGELOG = ROOT / "CHANGELOG.md"
NONE = "–"
HEADERS = ("variable", "endpoint", "count", "code", "command", "exit status", "metric", "option")


@pytest.fixture
def node(settings: Settings) -> DetectorNode:
    return DetectorNode("documented", BoxesFactory(), settings=settings)


def test_settings():
    parser = node_parser(description="")
    expected = {variable.name: (variable.older or NONE, shown(variable.default)) for variable in ENVIRONMENT}
    expected |= {
        "DATA_FOLDER": (NONE, "/data"),
        "NODE_HOST": (NONE, parser.get_default("host")),
        "NODE_PORT": (NONE, str(parser.get_default("port"))),
    }
    assert {name: (older, default) for name, older, default, _ in table("Settings")} == expected


def test_endpoints_and_events_of_a_detector(node: DetectorNode):
    operations = [*detector_operations(node), *node_operations(node), *maintenance_operations(node)]
    documented = [(http, event) for http, event, _ in table("Endpoints and events of a detector node")]
    assert sorted(documented) == sorted([(FRONT_PAGE, NONE), *map(places_of, operations)])


def test_options_of_a_request():
    assert {name for name, _, _ in table("Options of a request")} == {*DETECT_OPTIONS, *UPLOAD_OPTIONS}


def test_backdoor_operations_are_marked(node: DetectorNode):
    marked = [http for http, _, text in table("Endpoints and events of a detector node") if "BACKDOOR" in text]
    assert marked == [places_of(operation)[0] for operation in maintenance_operations(node)]


def test_endpoints_of_a_trainer(settings: Settings):
    node = TrainerNode("documented", MockTrainer(), settings=settings)
    controls = trainer_maintenance(node)
    operations = [*status_operations(node), *node.loop_operations(), *node_operations(node), *controls]
    documented = table("Endpoints of a trainer node")
    expected = [(FRONT_PAGE, NONE), *map(places_of, operations)]
    assert sorted((http, event) for http, event, _ in documented) == sorted(expected)
    marked = [http for http, _, text in documented if "BACKDOOR" in text]
    assert sorted(marked) == sorted(places_of(operation)[0] for operation in controls)


def test_endpoints_of_a_converter(settings: Settings):
    node = ConverterNode("documented", Capitals("format_a", "format_b"), settings=settings)
    operations = [*converter_operations(node), *node_operations(node)]
    documented = [(http, event) for http, event, _ in table("Endpoints of a converter node")]
    assert sorted(documented) == sorted([(FRONT_PAGE, NONE), *map(places_of, operations)])


def test_endpoints_of_the_loop(tmp_path: Path):
    loop = Loop(LoopServerSettings(data_folder=tmp_path))
    rows = endpoints_of(loop)
    documented = table("Endpoints of the loop")
    expected = [FRONT_PAGE, *(f"{row.method} {row.path}" for row in rows)]
    assert sorted(place for place, _, _ in documented) == sorted(expected)
    needed = {f"{row.method} {row.path}": who_may(loop, row) for row in rows} | {FRONT_PAGE: "nobody"}
    assert {place: who for place, who, _ in documented} == needed


def test_counts(node: DetectorNode):
    assert [name for name, _ in table("What `/status` counts")] == list(flat(node.get_counts()))


def test_metrics_of_a_detector(node: DetectorNode):
    expected = [documented_as(metric) for metric in node.metrics.rows]
    assert [tuple(row[:3]) for row in table("Metrics of a detector node")] == expected


def test_metrics_of_a_converter(settings: Settings):
    node = ConverterNode("documented", Capitals("format_a", "format_b"), settings=settings)
    everywhere = [documented_as(metric) for metric in node_metrics(node)]
    assert [tuple(row[:3]) for row in table("Metrics of a detector node")][: len(everywhere)] == everywhere
    own = [documented_as(metric) for metric in node.metrics.rows][len(everywhere) :]
    assert [tuple(row[:3]) for row in table("Metrics of a converter node")] == own


def test_metrics_of_the_loop(tmp_path: Path):
    loop = Loop(LoopServerSettings(data_folder=tmp_path))
    expected = [documented_as(metric) for metric in loop.metrics.rows]
    assert [tuple(row[:3]) for row in table("Metrics of the loop")] == expected


def test_errors():
    expected = {errors.code_of(cls): str(int(status_of(cls.__new__(cls)))) for cls in all_errors(errors.NodeError)}
    assert {code: status for code, status, _ in table("Errors")} == expected


def test_exit_statuses():
    expected = {str(int(status)): meaning for status, meaning in MEANINGS.items()}
    assert {row[0]: row[1] for row in table("Command line") if row[0].isdigit()} == expected


def test_commands():
    commands = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    commands |= {str(group.name) for group in app.registered_groups}
    assert {row[0] for row in table("Command line") if not row[0].isdigit()} == commands


@pytest.mark.parametrize("name", learning_loop_node.__all__)
def test_exports(name: str):
    assert f"`{name}`" in section(REFERENCE, "Public names")


@pytest.mark.parametrize("document", [*DOCUMENTS, CHANGELOG, ROOT / "CONTRIBUTING.md"], ids=lambda path: path.stem)
def test_links_lead_somewhere(document: Path):
    assert broken_links(document) == []


def test_every_document_is_read_and_linked_to():
    assert sorted(DOCS.rglob("*.md")) == sorted(document for document in DOCUMENTS if document.parent == DOCS)
    readme = DOCUMENTS[0].read_text()
    assert [document.name for document in DOCUMENTS[1:] if f"](docs/{document.name})" not in readme] == []


def test_the_reference_has_an_index():
    entries = re.findall(r"^- \[(.+)\]\(#", REFERENCE, re.MULTILINE)
    assert entries == [heading for heading in headings(REFERENCE)[1:] if f"\n## {heading}\n" in REFERENCE]


def test_changelog_begins_with_this_version():
    first = next(line for line in CHANGELOG.read_text().splitlines() if line.startswith("## "))
    assert first.removeprefix("## ").split()[0] == version("learning-loop-node")


def who_may(loop: Loop, row: Endpoint) -> str:
    """Who has few rights but this one."""
    rights = [right for entry in row.access if (right := loop.auth.right_of(entry.dependency)) is not None]
    known = [role for role in Role if role not in (Role.STRANGER, Role.NODE)]
    who = next(role for role in known if all(right in RIGHTS[role] for right in rights))
    return "administrator" if who is Role.ADMIN else who.value.lower()


def table(heading: str) -> list[list[str]]:
    """The cells of all tables in a section, without the headers and without backticks around whole cells."""
    rows = re.findall(r"^\| (.*) \|$", section(REFERENCE, heading), re.MULTILINE)
    cells = [[re.sub(r"^`([^`]*)`$", r"\1", cell.strip()) for cell in row.split(" | ")] for row in rows]
    return [row for row in cells if row[0] not in HEADERS]


def shown(value: Any) -> str:
    match value:
        case None | "":
            return NONE
        case bool():
            return str(value).lower()
        case SecretStr():
            return value.get_secret_value() or NONE
        case StrEnum():
            return value.value
        case _:
            return str(value)


def places_of(operation: Operation[Any, Any]) -> tuple[str, str]:
    http = operation.http
    return f"{http.method} {http.path}" if http else NONE, operation.event or NONE


def documented_as(metric: Metric) -> tuple[str, str, str]:
    labels = metric.labels if len(metric.labels) < 2 else [f"`{label}`" for label in metric.labels]
    return metric.name, metric.kind.value, ", ".join(labels) or NONE


def flat(counts: dict[str, Any]) -> Iterator[str]:
    for name, value in counts.items():
        if isinstance(value, dict) and value:
            yield from (f"{name}.{inner}" for inner in value)
        else:
            yield name


def all_errors(cls: type[errors.NodeError]) -> Iterable[type[errors.NodeError]]:
    yield cls
    for derived in cls.__subclasses__():
        if derived.__module__ == errors.__name__:
            yield from all_errors(derived)
