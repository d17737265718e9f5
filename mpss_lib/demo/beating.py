"""Gated left ventricles with a known volume curve: of the demo, and to judge ejection fractions.

A ventricle is a truncated half-ellipsoid whose cavity volume at each moment is exact: the volume
curve is drawn first and the semi-axes follow from it. The wall keeps its volume, so that it
thickens as the cavity shrinks, by angle as much as the endocardium moves there; the valve plane
comes down and the apex moves a little. Each gate averages the moments that fall into it, over
beats of one length or of many (arrhythmia: late gates lose counts and mix phases). Then Gaussian
blur, Poisson noise before the last part of that blur, so that it is correlated as in reconstructed
volumes.
Written from geometry alone: nothing here knows the code that measures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from mpss_lib.errors import WrongArgumentError
from mpss_lib.volume import FloatArray, Triple, Volume, make_affine

MOMENTS = 64  # of a beat
ANGLES = np.arange(720) * 2.0 * np.pi / 720
FWHM_TO_SD = 1.0 / 2.3548
Values = Mapping[str, float]
RANGES: Mapping[str, tuple[float, float]] = {
    "gates": (16.0, 16.0),
    "ejection": (25.0, 80.0),  # fraction, percent
    "edv_ml": (70.0, 220.0),
    "wall_mm": (8.0, 13.0),  # at end-diastole, at the equator
    "apex_share": (0.7, 1.0),  # of the wall's thickness at the apex
    "elongation": (1.5, 2.1),  # long over short semi-axis of the cavity at end-diastole
    "below": (0.15, 0.6),  # of the long semi-axis: where the base cuts below the widest place
    "shortening": (0.15, 0.28),  # of the long axis, times the ejection fraction
    "apex_motion_mm": (0.0, 4.0),
    "tilt": (-0.15, 0.15),  # of the valve plane, as a shear
    "oval": (0.0, 0.06),
    "hypokinesis": (0.0, 0.0),  # share of the contraction that is missing in a sector
    "hypokinetic_deg": (30.0, 60.0),  # its half width
    "systole": (0.32, 0.42),  # of the beat
    "n_defects": (0.0, 0.0),
    "defect": (0.3, 0.8),  # share of the uptake that is missing
    "defect_deg": (25.0, 55.0),  # its half width
    "mottle": (0.0, 0.08),  # relative SD of the uptake
    "cavity": (0.05, 0.15),
    "soft": (0.05, 0.14),
    "lung": (0.02, 0.06),
    "liver": (0.2, 0.8),
    "liver_gap_mm": (8.0, 25.0),
    "right_wall": (0.15, 0.4),
    "fwhm_mm": (10.0, 14.0),
    "post_share": (0.35, 0.65),  # of the variance of the blur that comes after the noise
    "voxel_mm": (4.0, 6.6),
    "noise": (0.06, 0.14),  # relative SD in the wall of one of 16 gates
    "irregular": (0.0, 0.0),  # relative SD of the length of a beat
    "axis_spread_deg": (0.0, 15.0),
    "is_short_axis": (0.0, 2.0),  # slices across the long axis where 1 and more
}  # fmt: skip


@dataclass(frozen=True)
class GatedHeart:
    """A gated study and its truth.

    ``curve_ml`` is the cavity at ``MOMENTS`` equal steps from the R wave on, ``share`` the counts
    of each gate over those of a gate in which every beat is seen.
    """

    gates: list[Volume]
    curve_ml: FloatArray
    share: FloatArray
    values: Values

    @property
    def edv_ml(self) -> float:
        """Largest volume of the cavity, ml."""
        return float(self.curve_ml.max())

    @property
    def esv_ml(self) -> float:
        """Smallest volume of the cavity, ml."""
        return float(self.curve_ml.min())

    @property
    def percent(self) -> float:
        """Ejection fraction, percent."""
        return 100.0 * (1.0 - self.esv_ml / self.edv_ml)


@dataclass(frozen=True)
class Moment:
    """The ventricle at one moment: mm, along the axis from the centre of its ellipsoid."""

    radius: float
    long: float
    base: float
    wall: float
    wall_apex: float
    centre: float  # along the axis, from the fixed origin
    turn: FloatArray  # (720,): radius of the cavity at ``ANGLES`` over ``radius``


def make_gated(seed: int, changes: Mapping[str, tuple[float, float]] | None = None) -> GatedHeart:
    """Make a study.

    Parameters
    ----------
    seed : int
        Everything random follows from it.
    changes : mapping of str to (lowest, highest), optional
        Replaces ranges of ``RANGES``.

    Raises
    ------
    WrongArgumentError
        A range that there is not.
    """
    ranges = {**RANGES, **(changes or {})}
    if unknown := sorted(set(ranges) - set(RANGES)):
        raise WrongArgumentError(f"no range {unknown}", way_out=f"use some of {sorted(RANGES)}")
    draws, form, noise = (np.random.default_rng([20261127, seed, k]) for k in range(3))
    values = {name: float(draws.uniform(*ranges[name])) for name in RANGES}
    contraction = contraction_curve(values["systole"])
    curve = values["edv_ml"] * (1.0 - 0.01 * values["ejection"] * contraction)
    moments = list(_moments(form, values, contraction, curve))
    frame = heart_frame(form, values["axis_spread_deg"])
    affine, size = _grid(form, values, frame)
    at = _positions(affine, size, frame)
    still = _surroundings(values, at)
    uptake = _uptake(form, values, at)
    weights = _weights(noise, round(values["gates"]), values["irregular"])
    painted = np.zeros((len(weights), *size))
    for number, moment in enumerate(moments):
        if weights[:, number].any():
            wall, cavity = shares_of(moment, affine, size, frame, values["tilt"])
            picture = still * (1.0 - wall - cavity) + uptake * wall + values["cavity"] * cavity
            painted += weights[:, number, None, None, None] * picture
    volumes = [Volume(_acquire(noise, one, values), affine) for one in painted]
    return GatedHeart(volumes, curve, weights.sum(axis=1), values)


def contraction_curve(systole: float) -> FloatArray:
    """Share of the stroke (``MOMENTS``,) that has left the ventricle: 0 at the R wave, 1 at ES.

    A cosine down; 70 % back in early filling, a rest, 30 % by the atrium.

    Parameters
    ----------
    systole : float
        Moment of end-systole, share of the beat.

    Returns
    -------
    (MOMENTS,) float64 array
    """
    time = np.arange(MOMENTS) / MOMENTS
    early = np.clip((time - systole) / 0.26, 0.0, 1.0)
    late = np.clip((time - 0.84) / 0.15, 0.0, 1.0)
    down = 0.5 * (1.0 - np.cos(np.pi * np.clip(time / systole, 0.0, 1.0)))
    back = 0.7 * 0.5 * (1.0 - np.cos(np.pi * early)) + 0.3 * 0.5 * (1.0 - np.cos(np.pi * late))
    curve: FloatArray = down - back
    return curve


def _moments(
    form: np.random.Generator, values: Values, contraction: FloatArray, curve: FloatArray
) -> Iterator[Moment]:
    from scipy.optimize import brentq

    oval_at, weak_at = form.uniform(0.0, 2.0 * np.pi, 2)
    below, apex = values["below"], values["apex_share"]
    shape = 2.0 / 3.0 + below - below**3 / 3.0  # cavity = area x long x shape
    oval = 1.0 + values["oval"] * np.cos(2.0 * (ANGLES - oval_at))
    weak = _bump(ANGLES, weak_at, np.radians(values["hypokinetic_deg"]))
    # end-diastole: area = pi r^2 <oval^2>, long = elongation r
    radius = (1e3 * curve[0] / (np.pi * (oval**2).mean() * values["elongation"] * shape)) ** (1 / 3)
    long = values["elongation"] * radius
    first_long, first_radius = long, radius
    wall_ml = _wall_ml(radius, long, values["wall_mm"], apex, below, oval)
    for share, ml in zip(contraction, curve, strict=True):
        long = first_long * (1.0 - values["shortening"] * 0.01 * values["ejection"] * share)
        ideal = np.sqrt(1e3 * ml / (np.pi * (oval**2).mean() * long * shape))
        lag = values["hypokinesis"] * weak * max(first_radius / ideal - 1.0, 0.0)
        turn = oval * (1.0 + lag)
        radius = np.sqrt(1e3 * ml / (np.pi * (turn**2).mean() * long * shape))
        wall = brentq(
            lambda mm, r=radius, c=long, t=turn: _wall_ml(r, c, mm, apex, below, t) - wall_ml,
            2.0,
            60.0,
        )
        tip = first_long + apex * values["wall_mm"] - values["apex_motion_mm"] * share
        yield Moment(radius, long, -below * long, wall, apex * wall, tip - long - apex * wall, turn)


def _wall_ml(
    radius: float, long: float, wall: float, apex: float, below: float, turn: FloatArray
) -> float:
    """Volume of the wall, ml: both ellipsoids end at the same plane.

    At each angle the wall adds the same area to a section: (radius + wall)^2 f - radius^2 g.
    """
    area = (turn**2).mean()

    def under(semi: float) -> float:
        base = -below * long
        return 2.0 / 3.0 * semi - base + base**3 / (3.0 * semi**2)

    inner = radius**2 * under(long) * area
    outer = (radius + wall) ** 2 * under(long + apex * wall) + (area - 1.0) * radius**2 * under(
        long
    )
    return float(np.pi * (outer - inner) / 1e3)


def _bump(theta: FloatArray, at: float, half: float) -> FloatArray:
    off = (theta - at + np.pi) % (2.0 * np.pi) - np.pi
    bump: FloatArray = np.exp(-0.5 * (off / half) ** 4)
    return bump


def shares_of(
    moment: Moment, affine: FloatArray, size: tuple[int, int, int], frame: FloatArray, tilt: float
) -> tuple[FloatArray, FloatArray]:
    """Share of each voxel in wall and cavity, by counting points inside the voxel.

    Parameters
    ----------
    moment : Moment
    affine : (4, 4) float64 array
        Index (z, y, x, 1) to LPS mm.
    size : (z, y, x) int
    frame : (3, 3) float64 array
        Rows: axis, anterior, lateral.
    tilt : float
        Of the valve plane.

    Returns
    -------
    wall, cavity : (z, y, x) float64 arrays
        0 to 1.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    reach = moment.long + moment.wall + 30.0
    middle = np.linalg.solve(affine[:3, :3], -affine[:3, 3])
    low = np.maximum(np.floor(middle - reach / spacing), 0).astype(int)
    high = np.minimum(np.ceil(middle + reach / spacing) + 1, size).astype(int)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    index = np.stack(np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)),
                                 indexing="ij"), axis=-1).reshape(-1, 3)  # fmt: skip
    at = frame @ (index @ affine[:3, :3].T + affine[:3, 3]).T
    near = np.abs(at[0] - moment.centre) < moment.long + moment.wall + 12.0
    near &= np.hypot(at[1], at[2]) < 1.3 * moment.radius + moment.wall + 12.0
    index = index[near]
    sub = 2 if spacing.max() < 5.0 else 3
    steps = (np.arange(sub) + 0.5) / sub - 0.5
    count = np.zeros((2, len(index)))
    for offset in np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3):
        position = (index + offset) @ affine[:3, :3].T + affine[:3, 3]
        count += _parts(moment, frame @ position.T, tilt)
    out = np.zeros((2, int(np.prod(high - low))))
    out[:, near] = count / sub**3
    wall, cavity = np.zeros(size), np.zeros(size)
    wall[box], cavity[box] = out.reshape(2, *(high - low))
    return wall, cavity


def _parts(moment: Moment, at: FloatArray, tilt: float) -> FloatArray:
    """Whether points (3, n) along axis, anterior, lateral lie in wall and cavity: (2, n)."""
    t = at[0] - moment.centre - tilt * at[2]  # a shear keeps volumes
    square = at[1] ** 2 + at[2] ** 2
    angle = np.arctan2(at[1], at[2]) % (2.0 * np.pi)
    turn = moment.turn[np.minimum((angle / (2.0 * np.pi) * 720).astype(int), 719)]
    g = np.clip(1.0 - (t / moment.long) ** 2, 0.0, None) * moment.radius**2
    f = np.clip(1.0 - (t / (moment.long + moment.wall_apex)) ** 2, 0.0, None)
    inner = turn**2 * g
    outer = inner - g + (moment.radius + moment.wall) ** 2 * f
    above = t > moment.base
    is_cavity = above & (square < inner)
    return np.stack([above & (square < outer) & ~is_cavity, is_cavity])


def heart_frame(form: np.random.Generator, spread_deg: float) -> FloatArray:
    """Draw how a heart lies, about as in a supine patient.

    Parameters
    ----------
    form : numpy.random.Generator
    spread_deg : float
        SD of the long axis's direction.

    Returns
    -------
    (3, 3) float64 array
        Rows axis (base to apex), anterior, lateral: unit vectors (x, y, z), LPS.
    """
    axis = np.array([0.6, -0.6, -0.5])
    axis += np.tan(np.radians(spread_deg)) * form.standard_normal(3) / np.sqrt(3.0)
    axis /= np.linalg.norm(axis)
    anterior = np.array([0.0, 0.0, 1.0]) - axis[2] * axis
    anterior /= np.linalg.norm(anterior)
    return np.stack([axis, anterior, np.cross(anterior, axis)])


def _grid(
    form: np.random.Generator, values: Values, frame: FloatArray
) -> tuple[FloatArray, tuple[int, int, int]]:
    """Affine and size (z, y, x): transaxial, or slices across the axis from apex to base."""
    mm = values["voxel_mm"]
    nz, n = round(180.0 / mm), round(260.0 / mm)
    row, column = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
    if values["is_short_axis"] >= 1.0:
        row, column = frame[2], -frame[1]
    normal = np.cross(row, column)
    centre = form.uniform(-15.0, 15.0, 3)
    corner = centre - 0.5 * mm * ((n - 1) * (row + column) + (nz - 1) * normal)
    spacing: Triple = (mm, mm, mm)
    return make_affine(tuple(corner), tuple(row), tuple(column), spacing), (nz, n, n)


def _positions(affine: FloatArray, size: tuple[int, int, int], frame: FloatArray) -> FloatArray:
    index = np.indices(size).reshape(3, -1)
    place = affine[:3, :3] @ index + affine[:3, 3:]
    return np.concatenate([frame @ place, place]).reshape(6, *size)


def _surroundings(values: Values, at: FloatArray) -> FloatArray:
    """Uptake beside the ventricle: body, lung, liver under the inferior wall, right ventricle."""
    t, a, s, _, y, z = at
    body = np.full(t.shape, values["soft"])
    body[(s > 5.0) & (z > -20.0) & (y > -60.0)] = values["lung"]
    edge = -(30.0 + values["wall_mm"] + values["liver_gap_mm"])
    is_liver = ((a - edge + 60.0) / 60.0) ** 2 + ((s + 45.0) / 85.0) ** 2 + (
        (t + 10.0) / 80.0
    ) ** 2 < 1.0
    body[is_liver] = values["liver"]
    u = ((t + 12.0) / 48.0) ** 2 + (a / 34.0) ** 2 + ((s + 42.0) / 30.0) ** 2
    body[(u < 1.0) & (t > -45.0)] = values["cavity"]
    body[(u < 1.0) & (u > 0.78) & (t > -45.0)] = values["right_wall"]
    return body


def _uptake(form: np.random.Generator, values: Values, at: FloatArray) -> FloatArray:
    """Uptake of the wall at every voxel: mottled, with defects by angle and height."""
    from scipy.ndimage import gaussian_filter

    t, a, s = at[:3]
    mm = values["voxel_mm"]
    field = gaussian_filter(form.standard_normal(t.shape), 10.0 / mm)
    uptake = 1.0 + values["mottle"] * field / field.std()
    for _ in range(round(values["n_defects"])):
        angle, half = form.uniform(0.0, 2.0 * np.pi), np.radians(values["defect_deg"])
        height = form.uniform(-20.0, 30.0)
        blob = _bump(np.arctan2(a, s), angle, half) * np.exp(-0.5 * ((t - height) / 18.0) ** 4)
        uptake = uptake * (1.0 - values["defect"] * blob)
    clipped: FloatArray = np.clip(uptake, 0.02, None)
    return clipped


def _weights(rng: np.random.Generator, gates: int, irregular: float) -> FloatArray:
    """How much of each moment (gates, MOMENTS) a gate has seen; a sum of 1 where no beat is short.

    Gates last a fixed part of the mean beat and start at each R wave.
    """
    beats = np.ones(1) if irregular <= 0.0 else rng.normal(1.0, irregular, 400).clip(0.5, 1.8)
    times = (np.arange(gates * 24) + 0.5) / (gates * 24)
    phase = times[:, None] / beats
    weights = np.zeros((gates, MOMENTS))
    gate = np.repeat(np.arange(gates), 24)[:, None] + np.zeros_like(phase, dtype=int)
    seen = phase < 1.0
    moment = np.floor(phase[seen] * MOMENTS).astype(int)
    np.add.at(weights, (gate[seen], moment), 1.0 / (24 * len(beats)))
    return weights


def _acquire(rng: np.random.Generator, picture: FloatArray, values: Values) -> FloatArray:
    """Blur, count, blur again."""
    from scipy.ndimage import gaussian_filter

    sd = FWHM_TO_SD * values["fwhm_mm"] / values["voxel_mm"]
    after = sd * np.sqrt(values["post_share"])
    seen = np.clip(gaussian_filter(picture, np.sqrt(sd**2 - after**2), truncate=3.5), 0.0, None)
    alike = max((2.0 * np.sqrt(np.pi) * after) ** 3, 1.0)  # voxels that the last blur averages
    scale = 16.0 / values["gates"] / (values["noise"] ** 2 * alike)
    counted = rng.poisson(seen * scale).astype(np.float64)
    blurred: FloatArray = gaussian_filter(counted, after, truncate=3.5)
    counts: FloatArray = np.clip(blurred * (1e3 / scale), 0.0, None)
    return counts
