"""Flags and variables of a node's own program."""

from __future__ import annotations

import pytest

from learning_loop_node.runtime.entrypoint import node_parser


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        pytest.param([], {}, ("0.0.0.0", 80), id="defaults"),
        pytest.param(["--host", "::1", "--port", "5"], {}, ("::1", 5), id="flags"),
        pytest.param([], {"NODE_HOST": "h", "NODE_PORT": "6"}, ("h", 6), id="variables"),
        pytest.param(["--port", "5"], {"NODE_PORT": "6"}, ("0.0.0.0", 5), id="flag before variable"),
        pytest.param([], {"HOST": "x", "PORT": "6", "LOOP_HOST": "y"}, ("0.0.0.0", 80), id="unrelated variables"),
        pytest.param([], {"NODE_PORT": ""}, ("0.0.0.0", 80), id="empty is unset"),
    ],
)
def test_host_and_port(arguments, environment, expected):
    args = node_parser(description="test").parse_args(arguments, env_vars=environment)
    assert (args.host, args.port) == expected


@pytest.mark.parametrize(
    ("environment", "expected", "old"),
    [
        ({"YOLO_NODE_PORT": "6"}, 6, "YOLO_NODE_PORT"),
        ({"YOLO_PORT": "6"}, 6, "YOLO_PORT"),
        ({"YOLO_NODE_PORT": "6", "NODE_PORT": "7"}, 7, None),
        ({"OTHER_PORT": "6"}, 80, None),
    ],
)
def test_old_names_are_read_with_a_warning(environment, expected, old, caplog):
    parser = node_parser(description="test", legacy_env_prefix="YOLO_")
    assert parser.parse_args([], env_vars=environment).port == expected
    assert (f"{old} is an old name" in caplog.text) is (old is not None)


def test_own_flags_are_variables_too():
    parser = node_parser(description="test", legacy_env_prefix="YOLO_")
    parser.add_argument("--batch-size", "-b", type=int, default=1)
    parser.add_argument("--fast", action="store_true")
    args = parser.parse_args(["--fast"], env_vars={"YOLO_BATCH_SIZE": "4"})
    assert (args.batch_size, args.fast) == (4, True)
    assert parser.parse_args(["-b", "2"], env_vars={"BATCH_SIZE": "3"}).batch_size == 2


def test_vram_limit_only_where_wanted():
    parser = node_parser(description="test", vram_limit=True)
    assert parser.parse_args([], env_vars={}).vram_limit_gb == 0
    assert parser.parse_args([], env_vars={"VRAM_LIMIT_GB": "2.5"}).vram_limit_gb == 2.5
    with pytest.raises(SystemExit):
        node_parser(description="test").parse_args(["--vram-limit-gb", "3"], env_vars={})


def test_wrong_flag_ends_with_the_usage(capsys):
    with pytest.raises(SystemExit):
        node_parser(description="a detector").parse_args(["--port", "many"], env_vars={})
    assert "argument --port: invalid int value: 'many'" in capsys.readouterr().err
