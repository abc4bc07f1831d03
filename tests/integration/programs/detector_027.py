"""What a detector of 0.27 asks of its loop, run by that release: `python detector_027.py FOLDER JPEG`.

The loop is named by the environment; the answers are the last line of the output.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from learning_loop_node.data_classes import BoxDetection, Context, ImageMetadata
from learning_loop_node.data_exchanger import DataExchanger
from learning_loop_node.detector.outbox import Outbox
from learning_loop_node.globals import GLOBALS
from learning_loop_node.loop_communication import LoopCommunicator

CONTEXT = Context(organization="zauberzeug", project="demo")
STATUS = {
    "uuid": "u",
    "name": "n",
    "state": "online",
    "uptime": 1,
    "model_format": "mocked",
    "current_model": None,
    "target_model": None,
    "errors": {},
    "operation_mode": "idle",
    "node_version": None,
}


async def main(folder: Path, jpeg: bytes) -> dict[str, Any]:
    GLOBALS.data_folder = str(folder)
    model_folder = folder / "model"
    model_folder.mkdir()
    loop: Any = LoopCommunicator()
    is_ready = await loop.backend_ready()
    path = "/zauberzeug/projects/demo"
    target = (await loop.get(f"{path}/deployment/target")).json()
    reported = (await loop.post(f"{path}/detectors", json=STATUS)).status_code
    exchanger: Any = DataExchanger(CONTEXT, loop)
    await exchanger.download_model(str(model_folder), CONTEXT, target["model_uuid"], "mocked")
    outbox: Any = Outbox()
    box = BoxDetection(category_name="face", x=1, y=2, width=3, height=4, model_name="1.0", confidence=0.4)
    for image in (jpeg, b"no image", jpeg):
        await outbox.save(image, ImageMetadata(box_detections=[box], tags=["from 0.27"]))
    await outbox.upload()
    await loop.shutdown()
    return {
        "ready": bool(is_ready),
        "target": target["version"],
        "reported": reported,
        "files": sorted(file.name for file in model_folder.iterdir()),
        "left": len(outbox.get_upload_folders()),
    }


if __name__ == "__main__":
    folder, jpeg = map(Path, sys.argv[1:])
    answers = asyncio.run(main(folder, jpeg.read_bytes()))
    sys.stdout.write(f"\n{json.dumps(answers)}\n")
