"""The log of a training that was tried several times."""

from __future__ import annotations

from pathlib import Path

from learning_loop_node.trainer.try_marks import LOG_FILE, NOTE_FILE, MarkedLog, mark_try

ALL = 10_000


def say(folder: Path, text: str) -> None:
    with (folder / LOG_FILE).open("a") as log:
        log.write(text)


def test_no_log(tmp_path: Path):
    mark_try(tmp_path, "started again")
    assert MarkedLog(tmp_path).tail(ALL) == (0, "")
    say(tmp_path, "")
    mark_try(tmp_path, "started again")
    assert MarkedLog(tmp_path).tail(ALL) == (0, "")


def test_each_further_try_begins_with_a_line_of_its_own(tmp_path: Path):
    say(tmp_path, "epoch 1\n")
    mark_try(tmp_path, "try 2 of 3")
    say(tmp_path, "é: no end")
    mark_try(tmp_path, "try 3 of 3")
    size_bytes, text = MarkedLog(tmp_path).tail(ALL)
    assert text == "epoch 1\n--- try 2 of 3 ---\né: no end\n--- try 3 of 3 ---\n"
    assert size_bytes == len(text.encode())
    assert (tmp_path / LOG_FILE).read_text() == "epoch 1\né: no end"

    say(tmp_path, "epoch 2\n")
    assert MarkedLog(tmp_path).tail(ALL)[1] == f"{text}epoch 2\n"


def test_of_tries_that_printed_nothing_the_last_one_is_named(tmp_path: Path):
    say(tmp_path, "a\n")
    for number in (2, 3, 4):
        mark_try(tmp_path, f"try {number}")
    say(tmp_path, "b\n")
    assert MarkedLog(tmp_path).tail(ALL)[1] == "a\n--- try 4 ---\nb\n"


def test_only_the_last_lines_of_a_long_log(tmp_path: Path):
    say(tmp_path, "first line\n")
    mark_try(tmp_path, "try 2")
    say(tmp_path, "second line\n")
    mark_try(tmp_path, "try 3")
    say(tmp_path, "third line\n")
    size_bytes, text = MarkedLog(tmp_path).tail(20)
    assert text == "--- try 3 ---\nthird line\n"
    assert size_bytes == len(MarkedLog(tmp_path).tail(ALL)[1])


def test_a_note_that_was_cut_off_counts_as_far_as_it_goes(tmp_path: Path):
    say(tmp_path, "a\n")
    mark_try(tmp_path, "try 2")
    say(tmp_path, "b\n")
    with (tmp_path / NOTE_FILE).open("a") as note:
        note.write('[4, "--')
    assert MarkedLog(tmp_path).tail(ALL)[1] == "a\n--- try 2 ---\nb\n"
