"""The demo's photographs: three cameras look at real scenes, into some of which faces of real people are pasted.

The scenes are photographs that ship with scikit-image and matplotlib, two of them portraits. The pasted faces come from
scikit-image's excerpt of "Labeled Faces in the Wild"; they are small and grey, and they are pasted so that the truth is
known: where a face is, and where a detection is a misfire. A seed decides on crop, light, noise, and on who stands
where, so that every run has the same photographs. Nothing is downloaded: of scikit-image, only files inside the
installed package are used.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from ..errors import MissingExtraError
from ..images import encode_jpeg

try:
    import matplotlib
    import skimage
except ImportError as error:
    raise MissingExtraError(
        "the demo's photographs come from scikit-image and matplotlib: pip install '.[demo]' in a checkout"
    ) from error

SIZE = (512, 384)
QUALITY = 92
SHAKE = 3
"""How far a hand moves the camera between two pictures of the same view, in pixels."""

DEFAULT_COUNT = 72


@dataclass(frozen=True, slots=True)
class Box:
    """An area in pixels; `x` and `y` are its top-left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """In square pixels."""
        return self.width * self.height

    def shared_area(self, other: Box) -> float:
        """In square pixels."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return max(width, 0) * max(height, 0)


@dataclass(frozen=True, slots=True)
class Photograph:
    """A picture of one camera. `faces` are the known ones; None where nobody knows, as in a user's own pictures."""

    name: str
    camera: str
    jpeg: bytes
    faces: tuple[Box, ...] | None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.jpeg).hexdigest()


@dataclass(frozen=True, slots=True)
class Scene:
    """A photograph on disk, with the faces that are in it."""

    file: str
    faces: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class Camera:
    """What a camera sees in the course of a day: scenes, and how many faces are pasted into each view, how large."""

    name: str
    scenes: tuple[Scene, ...]
    visitors: tuple[int, ...]
    face_sizes: tuple[int, int]


ASTRONAUT = Scene("astronaut.png", (Box(172, 58, 104, 112),))
GRACE_HOPPER = Scene("grace_hopper.jpg", (Box(150, 95, 232, 250),))

CAMERAS = (
    Camera(
        "entrance",
        (Scene("brick.png"), GRACE_HOPPER, Scene("rocket.jpg"), ASTRONAUT),
        visitors=(1, 0, 2, 0, 1, 1),
        face_sizes=(70, 130),
    ),
    Camera(
        "lab",
        (Scene("coffee.png"), Scene("coins.png"), ASTRONAUT, Scene("chelsea.png"), Scene("ihc.png")),
        visitors=(0, 0, 1, 0, 2),
        face_sizes=(44, 110),
    ),
    Camera(
        "street",
        (Scene("motorcycle_left.png"), Scene("gravel.png"), Scene("motorcycle_right.png"), Scene("grass.png")),
        visitors=(2, 0, 1, 3, 1),
        face_sizes=(38, 80),
    ),
)


def photographs(count: int = DEFAULT_COUNT, seed: int = 7) -> list[Photograph]:
    """This many photographs, the cameras taking turns; the same for the same seed."""
    sources = _Sources()
    shots = [_shots(sources, camera, [seed, number]) for number, camera in enumerate(CAMERAS)]
    return [next(shots[index % len(CAMERAS)]) for index in range(count)]


class _Sources:
    """The pictures that everything is made of, each read once."""

    def __init__(self) -> None:
        self._folders = (
            Path(skimage.__file__).parent / "data",
            Path(matplotlib.get_data_path()) / "sample_data",
        )
        self._images: dict[str, Image.Image] = {}
        faces = np.load(self._find("lfw_subset.npy"))[:100]  # the second hundred are no faces
        self.faces = [Image.fromarray((face * 255).astype(np.uint8)) for face in faces]

    def scene(self, file: str) -> Image.Image:
        if file not in self._images:
            with Image.open(self._find(file)) as image:
                self._images[file] = image.convert("RGB")
        return self._images[file]

    def _find(self, file: str) -> Path:
        for folder in self._folders:
            if (folder / file).is_file():
                return folder / file
        raise MissingExtraError(f"{file} ships neither with this scikit-image nor with this matplotlib")


@dataclass(frozen=True, slots=True)
class _View:
    """What stands in front of a camera before the picture is taken."""

    picture: Image.Image
    faces: tuple[Box, ...]


def _shots(sources: _Sources, camera: Camera, seed: Sequence[int]) -> Iterator[Photograph]:
    """What this camera takes, without end: two views, and a second look at the latter after each two."""
    view_count = 0
    for number in itertools.count():
        rng = np.random.default_rng([*seed, number])
        if number % 3 != 2:
            scene = camera.scenes[view_count % len(camera.scenes)]
            visitor_count = camera.visitors[view_count % len(camera.visitors)]
            view = _add_visitors(_crop(sources, scene, rng), sources, visitor_count, camera.face_sizes, rng)
            view_count += 1
        yield Photograph(f"{camera.name}-{number:03}", camera.name, _expose(view.picture, rng), view.faces)


def _crop(sources: _Sources, scene: Scene, rng: np.random.Generator) -> _View:
    """A part of a scene that cuts no known face, maybe seen in a mirror."""
    picture = sources.scene(scene.file)
    largest = min(picture.width / SIZE[0], picture.height / SIZE[1])
    while True:
        zoom = largest * rng.uniform(0.72, 1.0)
        width, height = SIZE[0] * zoom, SIZE[1] * zoom
        left, top = rng.uniform(0, picture.width - width), rng.uniform(0, picture.height - height)
        faces = [
            Box((face.x - left) / zoom, (face.y - top) / zoom, face.width / zoom, face.height / zoom)
            for face in scene.faces
        ]
        if all(_is_inside(face) for face in faces):
            break
    part = picture.resize(SIZE, Image.Resampling.LANCZOS, box=(left, top, left + width, top + height))
    if rng.random() < 0.5:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        faces = [Box(SIZE[0] - face.x - face.width, face.y, face.width, face.height) for face in faces]
    return _View(part, tuple(faces))


def _add_visitors(
    view: _View, sources: _Sources, count: int, sizes: tuple[int, int], rng: np.random.Generator
) -> _View:
    """Faces pasted into the scene, none over another. Where there is no room they are left out."""
    picture, faces = view.picture.copy(), list(view.faces)
    for _ in range(count):
        portrait = sources.faces[rng.integers(len(sources.faces))]
        for _ in range(20):
            side = int(rng.integers(sizes[0], sizes[1] + 1))
            place = Box(int(rng.integers(SIZE[0] - side)), int(rng.integers(SIZE[1] - side)), side, side)
            if not any(place.shared_area(face) for face in faces):
                _paste(picture, portrait, place)
                faces.append(place)
                break
    return _View(picture, tuple(faces))


def _paste(picture: Image.Image, portrait: Image.Image, place: Box) -> None:
    """Put a grey portrait into a picture, in the tone of skin where the picture has colours, with soft edges."""
    box = (int(place.x), int(place.y), int(place.x + place.width), int(place.y + place.height))
    surroundings = np.asarray(picture.crop(box), dtype=np.float32)
    is_colourful = float(np.ptp(surroundings, axis=2).mean()) > 12
    grey = portrait.resize((box[2] - box[0], box[3] - box[1]), Image.Resampling.BICUBIC)
    tone = np.array([1.06, 0.9, 0.78] if is_colourful else [1.0, 1.0, 1.0])
    pixels = np.clip(np.asarray(grey, dtype=np.float32)[..., None] * tone, 0, 255).astype(np.uint8)
    edge = max(2, grey.width // 24)
    mask = Image.new("L", grey.size, 0)
    ImageDraw.Draw(mask).rounded_rectangle(
        (edge, edge, grey.width - 1 - edge, grey.height - 1 - edge), radius=grey.width // 4, fill=255
    )
    picture.paste(Image.fromarray(pixels), box[:2], mask.filter(ImageFilter.GaussianBlur(edge)))


def _expose(picture: Image.Image, rng: np.random.Generator) -> bytes:
    """Take the picture: a hand's shake, the light of the hour, the noise of the sensor."""
    x, y = rng.integers(0, 2 * SHAKE + 1, size=2)
    around = ((SHAKE, SHAKE), (SHAKE, SHAKE), (0, 0))
    light = np.pad(np.asarray(picture, dtype=np.float32) / 255, around, mode="edge")[y : y + SIZE[1], x : x + SIZE[0]]
    light = light ** rng.uniform(0.75, 1.4) * rng.uniform(0.75, 1.1)
    light += rng.normal(0, rng.uniform(0.0, 0.02), size=light.shape)
    return encode_jpeg((np.clip(light, 0, 1) * 255).astype(np.uint8), quality=QUALITY)


def _is_inside(box: Box) -> bool:
    return box.x >= 0 and box.y >= 0 and box.x + box.width <= SIZE[0] and box.y + box.height <= SIZE[1]
