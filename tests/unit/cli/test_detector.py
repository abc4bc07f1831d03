"""What `learning-loop detector` cannot serve is said at once, with what to do about it."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("learning_loop_node.onnx_models.session", reason="needs extra [onnx]", exc_type=ImportError)
pytest.importorskip("onnx", reason="needs onnx (extra [quantization])")

from typer.testing import CliRunner

from learning_loop_node.cli import app
from learning_loop_node.cli.detector import _categories, _parameters
from tests.onnx_graphs import colour_finder


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param("--model /nowhere.onnx", "--model /nowhere.onnx: there is no such file", id="no file"),
        pytest.param("--categories a,b", "--model", id="categories without a file"),
        pytest.param("", "LOOP_ORGANIZATION is not set", id="no file and no project"),
        pytest.param("--model MODEL --categories a,a,b", "each name may be there once", id="a name twice"),
        pytest.param("--model MODEL --categories a:dot", "'dot' of 'a:dot' is no type", id="no type"),
        pytest.param("--model MODEL", "the categories of the model are not known", id="no categories"),
        pytest.param("--model MODEL --onnx shape=1", "the keys are layout", id="no key"),
        pytest.param("--model MODEL --onnx layout", "write KEY=VALUE", id="no value"),
        pytest.param("--model MODEL --onnx layout=x", "it must be one of yolov5", id="no layout"),
        pytest.param("--model MODEL --categories a,b,c --onnx layout=yolov5", "yolov5, but", id="misfit"),
        pytest.param("--model MODEL --categories a,b", "do not fit the 2 categories", id="too few"),
        pytest.param("--model MODEL --categories a,b,c:segmentation", "of type segmentation", id="unfit type"),
        pytest.param(f"--model {__file__}", "no ONNX model", id="no model"),
        pytest.param(f"--model {Path(__file__).parent}", r"of *.onnx there is: none", id="folder without a model"),
        pytest.param("--model MODEL --port 70000", "65535", id="no port"),
    ],
)
def test_what_cannot_be_served(arguments: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("LOOP_ORGANIZATION", "LOOP_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    model = tmp_path / "colours.onnx"
    model.write_bytes(colour_finder("yolov8").SerializeToString())
    given = [str(model) if argument == "MODEL" else argument for argument in arguments.split()]
    result = CliRunner().invoke(app, ["detector", *given])
    assert result.exit_code == 2
    assert text in " ".join(result.output.split())


def test_categories():
    found = _categories("car, wheel:point,a:b:box,")
    assert [(category.name, category.type) for category in found] == [("car", None), ("wheel", "point"), ("a:b", "box")]
    assert [category.id for category in found] == [category.id for category in _categories("car,wheel,a:b:box")]


def test_keys_are_json_or_text():
    given = ["layout=yolov5", "mean=[1, 2, 3]", "normalised=true", "iou_threshold=0.5"]
    expected = {"layout": "yolov5", "mean": [1, 2, 3], "normalised": True, "iou_threshold": 0.5}
    assert _parameters(given) == expected
