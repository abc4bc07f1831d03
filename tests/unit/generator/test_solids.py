"""Bodies are as large as they should be, in front of what is behind them, and lit from where the light is."""

from __future__ import annotations

import numpy as np
import pytest

from learning_loop_node.generator.scenes.solids import View, towards, turned

FROM_THE_SIDE, FROM_ABOVE = 0.0, np.pi / 2
AHEAD = (0.0, 0.0, 1.0)


def grey(face, u, v):
    return np.full((len(u), 3), 0.5)


def view(pitch: float = FROM_THE_SIDE, light: tuple[float, float, float] = AHEAD) -> View:
    return View(200, reach=1.0, pitch=pitch, light=light)


def area(seen: View) -> float:
    """In the units of the world."""
    return float(seen.is_hit.sum()) * (2 / 200) ** 2


def test_nothing_is_seen_where_nothing_is():
    assert not view().is_hit.any()
    assert not view().pixels.any()


@pytest.mark.parametrize("pitch", [FROM_THE_SIDE, 0.6, FROM_ABOVE])
def test_a_ball_is_a_disc_from_everywhere(pitch: float):
    seen = view(pitch)
    seen.ball((0, 0, 0), 0.7, grey)
    assert area(seen) == pytest.approx(np.pi * 0.7**2, rel=0.01)


@pytest.mark.parametrize(
    ("pitch", "expected"),
    [
        pytest.param(FROM_THE_SIDE, 1.2 * 0.4, id="front"),
        pytest.param(FROM_ABOVE, 1.2 * 0.8, id="top"),
        pytest.param(np.pi / 4, 1.2 * (0.4 + 0.8) / np.sqrt(2), id="both"),
    ],
)
def test_a_cuboid_shows_its_faces(pitch: float, expected: float):
    seen = view(pitch)
    seen.cuboid((0, 0, 0), (1.2, 0.8, 0.4), grey)
    assert area(seen) == pytest.approx(expected, rel=0.02)


def test_a_turned_cuboid_is_wider():
    seen = view()
    seen.cuboid((0, 0, 0), (0.8, 0.8, 0.4), grey, turned(np.pi / 4))
    assert area(seen) == pytest.approx(0.8 * np.sqrt(2) * 0.4, rel=0.03)


@pytest.mark.parametrize(
    ("pitch", "radii", "expected"),
    [
        pytest.param(FROM_THE_SIDE, (0.5, 0.5), 1.0 * 0.8, id="cylinder"),
        pytest.param(FROM_THE_SIDE, (0.5, 0.3), (1.0 + 0.6) / 2 * 0.8, id="bucket upside down"),
        pytest.param(FROM_THE_SIDE, (0.5, 0.0), 1.0 / 2 * 0.8, id="cone"),
        pytest.param(FROM_ABOVE, (0.5, 0.3), np.pi * 0.5**2, id="from above"),
    ],
)
def test_a_frustum_has_the_outline_that_it_should_have(pitch: float, radii: tuple[float, float], expected: float):
    seen = view(pitch)
    seen.frustum((0, 0, 0), radii, 0.8, grey)
    assert area(seen) == pytest.approx(expected, rel=0.02)


def test_a_lying_cylinder_points_to_where_it_was_turned():
    seen = view()
    seen.frustum((0, 0, 0), (0.2, 0.2), 1.2, grey, towards(np.array([1.0, 0, 0])))
    rows, columns = np.nonzero(seen.is_hit)
    assert np.ptp(columns) * 2 / 200 == pytest.approx(1.2, rel=0.02)
    assert np.ptp(rows) * 2 / 200 == pytest.approx(0.4, rel=0.06)


def test_what_is_nearer_hides_what_is_behind_whatever_is_drawn_first():
    def white(face, u, v):
        return np.ones((len(u), 3))

    pictures = []
    for is_near_first in (True, False):
        seen = view()
        bodies = [((0.0, -0.5, 0.0), 0.3, grey), ((0.0, 0.5, 0.0), 0.5, white)]
        for center, radius, paint in bodies if is_near_first else bodies[::-1]:
            seen.ball(center, radius, paint)
        pictures.append(seen.pixels)
    assert np.array_equal(pictures[0], pictures[1])
    assert pictures[0][100, 100].max() == pytest.approx(0.5 * (0.42 + 0.72) + 0.16, abs=0.02)
    assert pictures[0][100, 135].max() > 0.8


def test_one_sees_into_an_open_vessel_only():
    depths = []
    for is_open in (True, False):
        seen = view(pitch=1.0, light=(0, 1, 0.2))
        seen.frustum((0, 0, 0), (0.4, 0.5), 0.8, grey, is_open=is_open)
        across, down = seen.pixel_of((0, 0, 0.4))
        depths.append(float(seen.pixels[int(down), int(across)].mean()))
    assert depths[0] < 0.6 * depths[1]


def test_the_side_towards_the_light_is_brighter():
    seen = view(light=(1, 0, 0.3))
    seen.ball((0, 0, 0), 0.8, grey)
    assert seen.pixels[100, 150].mean() > 1.5 * seen.pixels[100, 50].mean()


@pytest.mark.parametrize("pitch", [FROM_THE_SIDE, 0.4, 1.2])
def test_places_are_where_bodies_are(pitch: float):
    seen, place = view(pitch), (0.3, -0.2, 0.4)
    seen.ball(place, 0.1, grey)
    rows, columns = np.nonzero(seen.is_hit)
    assert seen.pixel_of(place) == pytest.approx((columns.mean() + 0.5, rows.mean() + 0.5), abs=0.6)


def test_paint_knows_where_it_is():
    def by_height(face, u, v):
        return np.repeat((v if face == 0 else np.zeros_like(v))[:, None], 3, axis=1)

    seen = view()
    seen.frustum((0, 0, 0), (0.5, 0.5), 1.0, by_height)
    middle = seen.pixels[:, 100].mean(axis=1)[seen.is_hit[:, 100]]
    assert (np.diff(middle) < 0).all(), "what is above is brighter"
