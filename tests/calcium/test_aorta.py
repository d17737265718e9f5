"""The ascending aorta in a CT: tubes that are drawn here, and what passes for one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from calcium_chests import Chest

from mpss_lib.calcium import HeartSurface, aorta, courses
from mpss_lib.calcium.aorta import Aorta
from mpss_lib.calcium.placing import ARTERIES, weigh
from mpss_lib.calcium.slabs import make_slabs
from mpss_lib.calcium_sections import ASK_BELOW
from mpss_lib.volume import FloatArray, Volume

FAT, BLOOD, LUNG = -100.0, 40.0, -850.0
GUESS = np.zeros(3)
UP = np.array([0.0, 0.0, 1.0])


def draw(
    tubes: Sequence[tuple[float, float, float]], *, lean: tuple[float, float] = (0.0, 0.0),
    around: float = FAT, top_mm: float = 66.0, noise: float = 15.0,
) -> Volume:  # fmt: skip
    """Tubes (x, y, radius) of blood, which lean, above and beside the origin."""
    n = round((top_mm + 20.0) / 3.0)
    z, y, x = np.meshgrid(
        -20.0 + 3.0 * np.arange(n), np.arange(-80.0, 80.0), np.arange(-80.0, 80.0), indexing="ij"
    )
    array = np.where(np.abs(x) < 45.0, around, LUNG)
    for at_x, at_y, radius in tubes:
        array[np.hypot(x - at_x - lean[0] * z, y - at_y - lean[1] * z) <= radius] = BLOOD
    array = array + np.random.default_rng(3).normal(0.0, noise, array.shape)
    affine = np.array([[0, 0, 1, -80.0], [0, 1, 0, -80.0], [3.0, 0, 0, -20.0], [0, 0, 0, 1]])
    return Volume(array, affine, "HU")


def found_in(ct: Volume) -> Aorta | None:
    return aorta.find(ct, make_slabs(ct, 3.0), GUESS, UP)


@pytest.mark.parametrize("radius", [12.0, 16.5, 21.0])
@pytest.mark.parametrize("lean", [(-0.3, -0.15), (0.0, 0.0), (0.25, 0.2)])
def test_a_tube_is_found_where_it_is(lean: tuple[float, float], radius: float) -> None:
    tube = found_in(draw([(6.0, -8.0, radius)], lean=lean))
    assert tube is not None
    z = np.array([10.0, 30.0, 55.0])
    truth = np.stack([6.0 + lean[0] * z, -8.0 + lean[1] * z, z], axis=1)
    np.testing.assert_allclose(tube.axis_at(z), truth, atol=2.0)
    assert tube.radius_mm == pytest.approx(radius, abs=1.5)
    on_wall = truth + np.array([radius, 0.0, 0.0])
    np.testing.assert_allclose(tube.from_wall(on_wall), 0.0, atol=2.5)
    assert (tube.from_wall(truth) < -radius + 3.0).all()


def test_a_vessel_that_touches_it_does_not_draw_it_away() -> None:
    tube = found_in(draw([(0.0, 0.0, 16.0), (22.0, -19.0, 13.0), (-22.0, 12.0, 9.0)]))
    assert tube is not None
    np.testing.assert_allclose(tube.axis_at(np.array([0.0]))[0], GUESS, atol=3.0)


def test_few_discs_lean_as_was_guessed() -> None:
    lean = np.array([-0.2, -0.1])
    ct = draw([(0.0, 0.0, 16.0)], lean=(-0.2, -0.1), top_mm=24.0)
    tube = aorta.find(ct, make_slabs(ct, 3.0), GUESS, np.append(lean, 1.0))
    assert tube is not None
    np.testing.assert_allclose(tube.lean, lean, atol=0.1)


@pytest.mark.parametrize(
    "ct",
    [
        draw([(0.0, 0.0, 16.0)], around=BLOOD),
        draw([], around=FAT),
        draw([(0.0, 0.0, 6.0)]),
        draw([(0.0, 0.0, 34.0)]),
        draw([(0.0, 0.0, 16.0)], top_mm=18.0),
        draw([(0.0, 0.0, 16.0)], lean=(1.4, 0.0)),
    ],
    ids=["no fat", "fat only", "too thin", "too wide", "the CT ends", "too steep"],
)
def test_what_is_no_aorta(ct: Volume) -> None:
    assert found_in(ct) is None


def test_the_top_of_an_atrium_is_none() -> None:
    """Discs that end after a third of the height."""
    ct = draw([(0.0, 0.0, 16.0)])
    z = ct.to_patient(np.stack([np.arange(len(ct.array)), *np.zeros((2, len(ct.array)))], axis=1))
    array = ct.array.copy()
    array[z[:, 2] > 30.0] = BLOOD
    assert found_in(Volume(array, ct.affine, "HU")) is None


def test_without_fat_a_chest_has_the_aorta_of_the_ventricle(
    chest: Chest, surface: HeartSurface
) -> None:
    guess = courses.root_of(surface), courses.AORTA_LEAN
    assert aorta.find(chest.ct, make_slabs(chest.ct, 3.0), *guess) is not None
    soft = np.where((chest.ct.array > -190.0) & (chest.ct.array < -30.0), 40.0, chest.ct.array)
    bare = Volume(soft, chest.ct.affine, "HU")
    assert aorta.find(bare, make_slabs(bare, 3.0), *guess) is None


def share_at(surface: HeartSurface, tube: Aorta | None, position: FloatArray) -> dict[str, float]:
    shares = weigh(surface, tube, position[None], np.zeros(1, dtype=np.int64), 1)
    assert sum(float(share[0]) for share in shares.values()) == pytest.approx(1.0)
    return {name: float(share[0]) for name, share in shares.items()}


def test_the_wall_that_is_seen_parts_aorta_and_left_main(surface: HeartSurface) -> None:
    """The same place is the wall's, the valve's or the artery's, by where the wall is."""
    root = courses.root_of(surface)
    for radius in (13.0, 16.5, 20.0):
        tube = Aorta(*_as_guessed(surface), radius)
        main = next(c for c in courses.lay(surface, tube) if c.name == "LM")
        way = surface.to_patient(main.points)
        assert tube.from_wall(way[:1])[0] == pytest.approx(0.0, abs=1.0)
        middle = share_at(surface, tube, way[len(way) // 2])
        assert max(middle, key=lambda name: middle[name]) == "LM"
        assert middle["aorta"] < 0.6 * middle["LM"]
        right = share_at(
            surface, tube, tube.axis_at(root[2:] + 35.0)[0] - np.array([radius, 0.0, 0.0])
        )
        assert right["aorta"] > 0.75
        valve = share_at(surface, tube, tube.axis_at(root[2:])[0])
        assert valve["aorta"] > 0.75
        assert valve["LM"] < 0.05


def test_where_the_left_main_forks_nobody_is_sure(surface: HeartSurface) -> None:
    """What cannot be told has a low probability, and waits."""
    tube = Aorta(*_as_guessed(surface), 16.5)
    laid = {c.name: c.points for c in courses.lay(surface, tube) if c.name == "LM"}
    fork = share_at(surface, tube, surface.to_patient(laid["LM"][-1:])[0])
    assert max(fork["LM"] + fork["LAD"], fork["LCX"]) < ASK_BELOW
    assert fork["LM"] + fork["LAD"] + fork["LCX"] > 0.9


def test_a_ring_that_calcifies_beside_the_left_main_is_no_sure_plaque(
    surface: HeartSurface,
) -> None:
    tube = Aorta(*_as_guessed(surface), 16.5)
    laid = {c.name: surface.to_patient(c.points) for c in courses.lay(surface, tube)}
    main = laid["LM"][len(laid["LM"]) // 2]
    ring = laid["mitral ring"]
    nearest = ring[np.linalg.norm(ring - main, axis=1).argmin()]
    share = share_at(surface, tube, nearest)
    assert max(share[name] for name in ARTERIES) < ASK_BELOW


def _as_guessed(surface: HeartSurface) -> tuple[FloatArray, FloatArray]:
    root, lean = courses.root_of(surface), courses.AORTA_LEAN[:2]
    return root[:2] - root[2] * lean, lean
