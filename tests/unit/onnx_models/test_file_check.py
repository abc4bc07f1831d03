"""ONNX files that would make a library read something else than the model are refused before any library sees them."""

from __future__ import annotations

import doctest
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from learning_loop_node.errors import ModelRefusedError
from learning_loop_node.onnx_models import file_check
from learning_loop_node.onnx_models.file_check import SCHEMA, check_file, is_plain_name

pytest.importorskip("onnx", reason="needs onnx (extra [quantization])")

import onnx

DecodeError = pytest.importorskip("google.protobuf.message").DecodeError
helper = onnx.helper
FLOAT = onnx.TensorProto.FLOAT
WEIGHTS = np.arange(4, dtype=np.float32)


def tensor(name: str = "weights") -> Any:
    return onnx.numpy_helper.from_array(WEIGHTS, name)


def external(location: str | None = "data.bin", **entries: str) -> Any:
    """A tensor whose data are elsewhere."""
    result = tensor()
    result.ClearField("raw_data")
    result.data_location = onnx.TensorProto.EXTERNAL
    if location is not None:
        entries = {"location": location} | entries
    for key, value in entries.items():
        result.external_data.add(key=key, value=value)
    return result


def model(*nodes: Any, initializers: tuple[Any, ...] = (), **parts: Any) -> Any:
    value = helper.make_tensor_value_info
    nodes = nodes or (helper.make_node("Add", ["x", "weights"], ["y"]),)
    graph = helper.make_graph(nodes, "g", [value("x", FLOAT, [4])], [value("y", FLOAT, [4])], list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], **parts)


def with_initializer(one: Any) -> Any:
    return model(initializers=(one,))


def with_attribute(one: Any) -> Any:
    return model(helper.make_node("Constant", [], ["y"], value=one))


def with_attributes(one: Any) -> Any:
    return model(helper.make_node("Odd", [], ["y"], values=[tensor(), one]))


def with_inner_graph(one: Any) -> Any:
    inner = helper.make_graph([helper.make_node("Identity", ["weights"], ["z"])], "inner", [], [], [one])
    return model(helper.make_node("If", ["x"], ["y"], then_branch=inner))


def with_inner_graphs(one: Any) -> Any:
    inner = helper.make_graph([helper.make_node("Constant", [], ["z"], value=one)], "inner", [], [])
    return model(helper.make_node("Odd", ["x"], ["y"], branches=[inner]))


def with_function(one: Any) -> Any:
    node = helper.make_node("Constant", [], ["z"], value=one)
    function = helper.make_function("own", "f", [], ["z"], [node], [helper.make_opsetid("", 17)])
    return model(functions=[function])


def with_default_of_a_function(one: Any) -> Any:
    function = helper.make_function("own", "f", [], [], [], [helper.make_opsetid("", 17)])
    function.attribute_proto.append(helper.make_attribute("value", one))
    return model(functions=[function])


def with_sparse_values(one: Any) -> Any:
    result = model()
    result.graph.sparse_initializer.add().values.CopyFrom(one)
    return result


def with_sparse_indices(one: Any) -> Any:
    result = model()
    result.graph.sparse_initializer.add().indices.CopyFrom(one)
    return result


def with_sparse_attribute(one: Any) -> Any:
    result = model(helper.make_node("Constant", [], ["y"]))
    attribute = result.graph.node[0].attribute.add(name="sparse_value", type=onnx.AttributeProto.SPARSE_TENSOR)
    attribute.sparse_tensor.values.CopyFrom(one)
    return result


def with_sparse_attributes(one: Any) -> Any:
    result = model(helper.make_node("Odd", [], ["y"]))
    result.graph.node[0].attribute.add(name="s").sparse_tensors.add().indices.CopyFrom(one)
    return result


def with_training_algorithm(one: Any) -> Any:
    result = model()
    result.training_info.add().algorithm.initializer.append(one)
    return result


def with_training_initialization(one: Any) -> Any:
    result = model()
    result.training_info.add().initialization.initializer.append(one)
    return result


PLACES = pytest.mark.parametrize(
    "place",
    [
        with_initializer,
        with_attribute,
        with_attributes,
        with_inner_graph,
        with_inner_graphs,
        with_function,
        with_default_of_a_function,
        with_sparse_values,
        with_sparse_indices,
        with_sparse_attribute,
        with_sparse_attributes,
        with_training_algorithm,
        with_training_initialization,
    ],
)
Place = Callable[[Any], Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a model, with data beside it, and something that is nobody's business next to the folder."""
    (tmp_path / "secret.bin").write_bytes(WEIGHTS.tobytes())
    result = tmp_path / "model"
    (result / "inner").mkdir(parents=True)
    (result / "data.bin").write_bytes(WEIGHTS.tobytes())
    (result / "inner" / "data.bin").write_bytes(WEIGHTS.tobytes())
    (result / "link.bin").symlink_to(tmp_path / "secret.bin")
    (result / "link_inside.bin").symlink_to("data.bin")
    (result / "linked").symlink_to(tmp_path)
    (result / "hard.bin").hardlink_to(tmp_path / "secret.bin")
    os.mkfifo(result / "fifo.bin")
    return result


def saved(content: Any, folder: Path) -> Path:
    file = folder / "model.onnx"
    file.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
    return file


@PLACES
def test_weights_inside_the_file_are_fine(place: Place, folder: Path):
    assert check_file(saved(place(tensor()), folder)).data_files == []


@PLACES
def test_data_beside_the_model_are_fine(place: Place, folder: Path):
    assert check_file(saved(place(external(offset="0", length="16")), folder)).data_files == ["data.bin"]


@PLACES
@pytest.mark.parametrize("location", ["../secret.bin", "/etc/hostname", "inner/data.bin"])
def test_data_elsewhere_are_refused_wherever_they_are_named(place: Place, location: str, folder: Path):
    with pytest.raises(ModelRefusedError, match=r"model\.onnx is refused.*plain file in the model's folder"):
        check_file(saved(place(external(location)), folder))


@pytest.mark.parametrize(
    "location",
    [
        "", ".", "..", "./data.bin", "data.bin/", "inner/../data.bin", "inner//data.bin", "..\\secret.bin",
        "inner\\data.bin", "C:data.bin", "C:\\data.bin", "\\\\host\\share", "file:///etc/hostname", "linked/secret.bin",
        "link.bin", "link_inside.bin", "hard.bin", "inner", "linked", "fifo.bin", "missing.bin", "data.bin\0",
        "data.bin\0/../../secret.bin", "data.bin\n", "a" * 256, "*/_ORT_MEM_ADDR_/*", "*", "~/data.bin",
        "%2e%2e/secret.bin", "..\u2215secret.bin",
    ],
)  # fmt: skip
def test_only_a_regular_file_beside_the_model_will_do(location: str, folder: Path):
    with pytest.raises(ModelRefusedError):
        check_file(saved(with_initializer(external(location)), folder))


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(external(None), id="no place"),
        pytest.param(external(offset="-1"), id="negative offset"),
        pytest.param(external(offset="1e3"), id="no number"),
        pytest.param(external(offset="٣"), id="digits of another script"),
        pytest.param(external(length="9" * 30), id="a long number"),
        pytest.param(external(offset="8", length="9"), id="beyond the end"),
        pytest.param(external(basepath="/etc"), id="another key"),
        pytest.param(external(Location="/etc/hostname"), id="a key in capitals"),
        pytest.param(external(**{"__class__": "x"}), id="an attribute as key"),
        pytest.param(external(**{"": "x"}), id="an empty key"),
    ],
)
def test_odd_descriptions_of_external_data_are_refused(one: Any, folder: Path):
    with pytest.raises(ModelRefusedError):
        check_file(saved(with_initializer(one), folder))


def test_a_place_told_twice_is_refused(folder: Path):
    one = external()
    one.external_data.add(key="location", value="data.bin")
    with pytest.raises(ModelRefusedError, match="twice"):
        check_file(saved(with_initializer(one), folder))


def test_a_tensor_that_only_names_a_file_counts_as_external(folder: Path):
    one = external("/etc/hostname")
    one.data_location = onnx.TensorProto.DEFAULT
    with pytest.raises(ModelRefusedError, match="plain file"):
        check_file(saved(with_initializer(one), folder))


# Parts of messages, written by hand as libraries would not write them.
def varint(value: int, *, length: int = 0) -> bytes:
    result = bytearray()
    while value > 0x7F or len(result) < length - 1:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*result, value])


def message(number: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return varint(number << 3 | 2) + varint(len(content)) + content


def flag(number: int, value: int, **options: Any) -> bytes:
    return varint(number << 3) + varint(value, **options)


def entry(key: str, value: str) -> bytes:
    return message(13, message(1, key.encode()), message(2, value.encode()))


OUTSIDE = entry("location", "/etc/hostname")
GRAPH, NODE, INITIALIZER, ATTRIBUTE, TENSOR = 7, 1, 5, 5, 5


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(message(GRAPH, message(INITIALIZER, OUTSIDE), message(INITIALIZER, flag(14, 1))), id="two"),
        pytest.param(
            message(GRAPH, message(NODE, message(ATTRIBUTE, message(TENSOR, OUTSIDE), message(TENSOR, flag(14, 1))))),
            id="one tensor in two parts",
        ),
        pytest.param(message(GRAPH) + message(GRAPH, message(INITIALIZER, OUTSIDE)), id="one graph in two parts"),
        pytest.param(message(GRAPH, message(INITIALIZER, flag(14, 2**32 + 1))), id="cut to 32 bits"),
        pytest.param(message(GRAPH, message(INITIALIZER, flag(14, 1, length=10))), id="a number written at length"),
        pytest.param(message(GRAPH, message(INITIALIZER, flag(14, 1), flag(14, 0))), id="said twice"),
        pytest.param(
            message(GRAPH, message(INITIALIZER, varint(13 << 3 | 2, length=5) + OUTSIDE[1:])), id="a tag at length"
        ),
        pytest.param(
            message(
                GRAPH,
                message(INITIALIZER, message(13, message(1, b"location"), message(2, b"data.bin"), message(2, b"/x"))),
            ),
            id="two values",
        ),
        pytest.param(message(GRAPH, message(INITIALIZER, message(14, b"\x01"))), id="location of another type"),
        pytest.param(message(GRAPH, varint(INITIALIZER << 3 | 3) + OUTSIDE + varint(INITIALIZER << 3 | 4)), id="group"),
        pytest.param(message(GRAPH, message(INITIALIZER, message(13, message(1, b"location"), message(2, b"\xff")))),
                     id="no UTF-8"),
        pytest.param(message(GRAPH, message(99, message(8, OUTSIDE))), id="a field of the future"),
        pytest.param(message(GRAPH, message(NODE, message(4, b"EPContext"))), id="compiled for one machine"),
    ],
)  # fmt: skip
def test_nothing_hides_behind_how_it_is_written(content: bytes, folder: Path):
    with pytest.raises(ModelRefusedError):
        check_file(saved(content, folder))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\0", id="field 0"),
        pytest.param(b"not a model at all", id="text"),
        pytest.param(b"\x08\x08", id="no graph"),
        pytest.param(b"\x08" + b"\xff" * 10, id="an endless number"),
        pytest.param(b"\x08" + b"\x80" * 3, id="a number that ends nowhere"),
        pytest.param(message(GRAPH)[:1] + b"\xff\xff\xff\xff\x7f", id="longer than the file"),
        pytest.param(b"\x3a\x02\x0a\x05", id="inner longer than outer"),
        pytest.param(b"\x3d\0\0", id="cut in a number of fixed size"),
        pytest.param(b"\x12\x06abORTM" + message(GRAPH), id="ort that is ONNX, too"),
        pytest.param(b"PK\x03\x04" + b"\0" * 40, id="a zip"),
    ],
)
def test_what_is_no_onnx_model_is_refused(content: bytes, folder: Path):
    with pytest.raises(ModelRefusedError):
        check_file(saved(content, folder))


def test_a_missing_file_is_named(folder: Path):
    with pytest.raises(ModelRefusedError, match=r"no file .*other\.onnx"):
        check_file(folder / "other.onnx")
    (folder / "loop.onnx").symlink_to("loop.onnx")
    with pytest.raises(ModelRefusedError, match="no file"):
        check_file(folder / "loop.onnx")


def test_depth_and_number_of_parts_are_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch):
    nested = b""
    for _ in range(1000):
        nested = message(NODE, message(ATTRIBUTE, message(6, nested)))
    with pytest.raises(ModelRefusedError, match="nested"):
        check_file(saved(message(GRAPH, nested), folder))
    monkeypatch.setattr(file_check, "MAX_FIELDS", 1000)
    with pytest.raises(ModelRefusedError, match="more than 1000 parts"):
        check_file(saved(message(GRAPH, *[message(NODE)] * 1001), folder))


def test_two_gigabytes_are_looked_through_without_reading_them(folder: Path):
    size = 2**31 - 1000
    file = folder / "model.onnx"
    with file.open("wb") as stream:
        inner = varint(9 << 3 | 2) + varint(size)
        content = varint(INITIALIZER << 3 | 2) + varint(len(inner) + size) + inner
        stream.write(varint(GRAPH << 3 | 2) + varint(len(content) + size) + content)
        stream.truncate(stream.tell() + size)
    assert file.stat().st_size > size
    assert check_file(file).metadata == {}


def test_metadata_are_told(folder: Path):
    content = model()
    helper.set_model_props(content, {"names": "{0: 'a'}", "author": "somebody"})
    assert check_file(saved(content, folder)).metadata == {"names": "{0: 'a'}", "author": "somebody"}
    helper.set_model_props(content, {"names": "x" * (2**20 + 1)})
    with pytest.raises(ModelRefusedError, match="metadata"):
        check_file(saved(content, folder))


def test_we_know_every_field_that_the_library_knows():
    """A field in which a library would find tensors, and we would not, is a hole; this fails when onnx gets one."""
    described = onnx.ModelProto.DESCRIPTOR.file.message_types_by_name
    for name, fields in SCHEMA.items():
        assert set(fields) == {one.number for one in described[name].fields}, name
        for one in described[name].fields:
            if one.message_type and holds_tensors(one.message_type, set()):
                assert fields[one.number] == one.message_type.name, one.full_name
    assert SCHEMA["TensorProto"][13] == SCHEMA["ModelProto"][14] == "StringStringEntryProto"


def test_broken_models_are_refused_and_nothing_else_happens(folder: Path):
    """Bytes are changed at random; what we let pass has no data elsewhere for the library either."""
    original = with_inner_graph(external("data.bin")).SerializeToString()
    random_numbers = random.Random(5)
    passed = 0
    for _ in range(3000):
        content = bytearray(original)
        for _ in range(random_numbers.choice((1, 1, 2, 4))):
            at = random_numbers.randrange(len(content))
            content[at] = random_numbers.choice(
                (0, 1, 2, 7, 47, 46, 0x6A, 0x70, 0x80, 0xFF, random_numbers.randrange(256))
            )
        try:
            check_file(saved(bytes(content), folder))
        except ModelRefusedError:
            continue
        passed += 1
        try:
            read = onnx.load_model_from_string(bytes(content))
        except DecodeError:
            continue
        for one in all_tensors(read):
            if one.data_location != onnx.TensorProto.DEFAULT:
                places = [given.value for given in one.external_data if given.key == "location"]
                assert places
                assert all(map(is_plain_name, places))
    assert 100 < passed < 2900


def test_examples():
    assert not doctest.testmod(file_check).failed


def holds_tensors(kind: Any, seen: set[str]) -> bool:
    if kind.name == "TensorProto":
        return True
    if kind.name in seen:
        return False
    seen.add(kind.name)
    return any(holds_tensors(one.message_type, seen) for one in kind.fields if one.message_type)


def all_tensors(part: Any) -> Iterator[Any]:
    """Every tensor in a message, found by asking the library for everything."""
    if part.DESCRIPTOR.name == "TensorProto":
        yield part
    for description, value in part.ListFields():
        if description.message_type:
            for inner in value if hasattr(value, "add") else [value]:
                yield from all_tensors(inner)
