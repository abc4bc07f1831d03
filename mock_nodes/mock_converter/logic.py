"""A converter without a library: writes texts in capitals. A file `fail.txt` in the model says how it should fail."""

import ctypes
import time
from collections.abc import Iterable
from pathlib import Path

from learning_loop_node import ConverterLogic
from learning_loop_node.data_classes import ModelInformation


class Capitals(ConverterLogic):
    def convert(self, model: ModelInformation, folder: Path) -> Iterable[Path]:
        for file in Path(str(model.model_root_path)).glob("*.txt"):
            (folder / file.name).write_text(file.read_text().upper())
            match file.read_text().split() if file.name == "fail.txt" else []:
                case ["raise"]:
                    raise ValueError("no such layer")
                case ["memory"]:
                    bytearray(2**40)
                case ["crash"]:
                    ctypes.string_at(0)
                case ["nothing"]:
                    return []
                case ["wait", name]:  # until somebody makes this file, or for ever
                    while not Path(name).exists():
                        time.sleep(0.02)
        return folder.iterdir()
