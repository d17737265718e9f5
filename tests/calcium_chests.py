"""Chests in CT with calcium of known mass, and the SPECT of the same heart.

A left ventricle (an ellipsoid cut by its base) lies in a supine patient; right ventricle, atria and
aorta are laid about it, fat around them, lungs, spine, ribs and sternum around that. The coronary
arteries are lines on its surface and in its grooves: LM from the aortic root, LAD in the anterior
and the posterior descending artery in the posterior groove, LCX and RCA in the grooves between
atria and ventricles; all of it varies. Plaques are beaded rods along the lines, of a density in
mg/ml that a tube voltage turns into HU; other calcium lies on the aortic valve, mitral annulus,
walls of the aorta and in lymph nodes. The slice is a box, the pixel a Gaussian, the noise a dose's.
A pacemaker's lead throws beams. Anatomy in the frame of the left ventricle, angle 0 lateral, 90
anterior, 180 septal: McAlpine, Heart and Coronary Arteries (1975); the 17 segments' borders
(Cerqueira et al. 2002) place the interventricular grooves at about 120 and 240 degrees.
Written from that alone: nothing here knows the code that scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from scipy.spatial import cKDTree

from mpss_lib.demo.beating import heart_frame
from mpss_lib.volume import FloatArray, Volume, make_affine

HU_PER_MG_ML = {80.0: 1.80, 100.0: 1.49, 120.0: 1.30, 140.0: 1.17}
"""HU of a mg/ml of hydroxyapatite above what it displaces, by kVp: 200 mg/ml are about 260 HU at
120 kVp (McCollough et al. 2007), more in softer beams."""
BLOOD, FAT, LUNG, AIR, BONE, CORTEX = 42.0, -95.0, -860.0, -1000.0, 190.0, 480.0
DENSEST_MG_ML = 1000.0  # where deposits lie in one another
CORONARY = ("LM", "LAD", "LCX", "RCA")
OTHER = ("aortic_valve", "mitral_annulus", "ascending_aorta", "descending_aorta", "node")
FINE_MM = 0.3
FRAME = "1.2.826.0.1.3680043.10.1.15"
Values = Mapping[str, float]
RANGES: Mapping[str, tuple[float, float]] = {
    "radius_mm": (31.0, 41.0),  # of the epicardium
    "length_mm": (78.0, 98.0),  # base to apex, of the epicardium
    "belly": (0.12, 0.30),  # of the length: where it is widest
    "axis_spread_deg": (0.0, 15.0),
    "gap_mm": (2.5, 7.5),  # artery to epicardium
    "lad_deg": (112.0, 132.0),
    "lcx_end_deg": (-70.0, -20.0),
    "pda_deg": (228.0, 250.0),
    "root_deg": (148.0, 168.0),
    "root_mm": (19.0, 27.0),  # centre of the aortic root to the axis
    "tricuspid_mm": (23.0, 30.0),  # radius of the right groove
    "plaques": (1.0, 12.0),  # none where below 1
    "density_mg_ml": (200.0, 900.0),
    "plaque_mm": (0.7, 2.2),  # radius
    "plaque_long_mm": (1.0, 9.0),
    "other": (0.0, 1.0),  # share of the places of other calcium that have some
    "lead": (0.0, 1.0),  # a pacemaker's where above ``LEAD_ABOVE``
    "pixel_mm": (0.7, 1.1),
    "kernel_mm": (0.9, 1.4),  # full width at half maximum
    "noise_hu": (8.0, 22.0),  # in 3 mm at 120 kVp
    "shift_mm": (0.0, 4.0),  # SPECT to CT: root mean square of a direction
    "fov_mm": (250.0, 250.0),
}  # fmt: skip
LEAD_ABOVE = 0.94
LEAD_HU = 3e5  # of a point of the lead, which stands for a section of 1 mm radius
SCANS: tuple[tuple[float, float, float, float], ...] = (
    # share, kVp, distance, thickness
    (0.46, 120.0, 3.0, 3.0),
    (0.10, 120.0, 2.5, 2.5),
    (0.10, 120.0, 1.5, 3.0),
    (0.08, 100.0, 3.0, 3.0),
    (0.06, 80.0, 3.0, 3.0),
    (0.05, 140.0, 3.0, 3.0),
    (0.07, 120.0, 1.0, 1.0),
    (0.03, 120.0, 0.5, 0.5),
    (0.05, 120.0, 4.0, 3.0),
)


@dataclass(frozen=True)
class Tree:
    """Lines (n, 3) in the ventricle's frame (t from base to apex, anterior, lateral), mm."""

    lines: Mapping[str, list[FloatArray]]
    root: FloatArray  # centre of the aortic root
    tricuspid: FloatArray


@dataclass(frozen=True)
class Chest:
    """A CT and its truth.

    ``points`` (n, 3) LPS mm lie in the calcium (and the lead), ``owner`` (n,) names whose each is;
    ``mass_mg`` is the mass by owner. ``frame`` has the rows axis, anterior, lateral, ``base`` is
    the middle of the base, LPS, as the CT shows them.
    """

    ct: Volume
    kvp: float
    thickness_mm: float
    points: FloatArray
    owner: np.ndarray
    mass_mg: Mapping[str, float]
    frame: FloatArray
    base: FloatArray
    values: Values
    seed: int
    tree: cKDTree

    def owner_of(self, position_mm: FloatArray, reach_mm: float = 4.0) -> str:
        """Whose calcium lies nearest to most of the positions (n, 3), ``""`` where none does."""
        if not len(self.points):
            return ""
        far, nearest = self.tree.query(position_mm)
        near = self.owner[nearest[far <= reach_mm]]
        names, counts = np.unique(near, return_counts=True)
        return str(names[counts.argmax()]) if len(near) * 2 >= len(far) else ""


def make_chest(
    seed: int,
    changes: Mapping[str, tuple[float, float]] | None = None,
    scan: tuple[float, float, float] | None = None,
) -> Chest:
    """Make a chest; ``changes`` replaces ranges, ``scan`` is (kVp, distance, thickness)."""
    ranges = {**RANGES, **(changes or {})}
    if set(ranges) != set(RANGES):
        raise KeyError(f"{sorted(set(ranges) - set(RANGES))} not in RANGES")
    draws, form, noise = (np.random.default_rng([20261127, seed, k]) for k in range(3))
    values = {name: float(draws.uniform(*ranges[name])) for name in RANGES}
    shares = [one[0] for one in SCANS]
    drawn = SCANS[int(draws.choice(len(SCANS), p=shares))][1:]
    kvp, distance, thickness = scan or drawn
    frame = heart_frame(form, values["axis_spread_deg"])
    base = np.array([20.0, -22.0, 0.0]) + form.normal(0.0, 5.0, 3)
    tree = _tree(form, values)
    parts = _plaques(form, values, tree, frame, base)
    affine, size = _grid(values, distance, base)
    picture = _tissue(affine, size, frame, base, values, tree)
    contrast = HU_PER_MG_ML[kvp]
    mass: dict[str, float] = {}
    for owner, points, density in parts:
        mass[owner] = mass.get(owner, 0.0) + len(points) * FINE_MM**3 * density * 1e-3
        _lay(picture, affine, thickness, points, density * contrast)
    np.minimum(picture, BLOOD + DENSEST_MG_ML * contrast, out=picture)
    lead = _lead(tree, frame, base, values)
    _lay(picture, affine, thickness, lead, LEAD_HU)
    sd = values["kernel_mm"] / 2.3548 / values["pixel_mm"]
    picture = gaussian_filter(picture, (0.0, sd, sd), truncate=3.0)
    _throw_beams(picture, affine, lead, form)
    picture += _noise(noise, values, kvp, thickness, size)
    parts.append(("lead", lead, 0.0))
    owner = np.concatenate([np.full(len(points), name, "<U20") for name, points, _ in parts])
    array = np.round(picture).clip(-1024, 3071).astype(np.float64)
    ct = Volume(array, affine, "HU", FRAME)
    points = np.concatenate([points for _, points, _ in parts])
    return Chest(
        ct, kvp, thickness, points, owner, mass, frame, base, values, seed, cKDTree(points)
    )


def epicardium(values: Values, t: FloatArray) -> FloatArray:
    """Radius of the epicardium at the height t above the base, mm."""
    middle = values["belly"] * values["length_mm"]
    share = (t - middle) / (values["length_mm"] - middle)
    radius: FloatArray = values["radius_mm"] * np.sqrt(np.clip(1.0 - share**2, 0.0, None))
    return radius


def _at(t: FloatArray, degrees: FloatArray, radius: FloatArray) -> FloatArray:
    angle = np.radians(degrees)
    return np.stack([t, radius * np.sin(angle), radius * np.cos(angle)], axis=-1)


def _between(path: FloatArray, step_mm: float = 0.5) -> FloatArray:
    """Points every ``step_mm`` along a line."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    at = np.arange(0.0, along[-1], step_mm)
    return np.stack([np.interp(at, along, column) for column in path.T], axis=1)


def _tree(form: np.random.Generator, values: Values) -> Tree:
    """Draw the arteries."""
    length, radius, gap = values["length_mm"], values["radius_mm"], values["gap_mm"]
    u = np.linspace(0.0, 1.0, 25)

    def wave(size: float) -> FloatArray:
        turn, count = form.uniform(0.0, 2.0 * np.pi), form.uniform(0.7, 2.0)
        return size * np.sin(2.0 * np.pi * count * u + turn)

    def on_wall(t: FloatArray, degrees: FloatArray) -> FloatArray:
        return _between(_at(t, degrees + wave(3.0), epicardium(values, t) + gap + wave(1.0)))

    root = _at(np.array(-14.0 + form.normal(0.0, 2.0)), np.array(values["root_deg"]),
               np.array(values["root_mm"]))  # fmt: skip
    fork = _at(np.array(-7.0 + form.normal(0.0, 2.0)), np.array(values["lad_deg"] - 8.0),
               np.array(epicardium(values, np.array(0.0)) + gap))  # fmt: skip
    out = (fork - root) / np.linalg.norm(fork - root)
    start = root + 15.5 * out
    lad = on_wall(2.0 + u * (0.93 * length - 2.0), values["lad_deg"] + u * form.uniform(-8.0, 12.0))
    turn = values["lad_deg"] - 15.0
    ends = u * form.uniform(10.0, 35.0)
    diagonal = on_wall(0.3 * length + 0.4 * length * u, turn - ends)
    groove = epicardium(values, np.array(0.0)) + gap + 1.5 + wave(1.5)
    degrees = values["lad_deg"] - 10.0 + u * (values["lcx_end_deg"] - values["lad_deg"])
    lcx = _between(np.concatenate([fork[None], _at(-7.0 + 3.0 * u + wave(2.0), degrees, groove)]))
    side = form.uniform(0.0, 30.0) - u * form.uniform(0.0, 30.0)
    marginal = on_wall(4.0 + u * 0.55 * length, side)
    tricuspid = np.array([-3.0, -6.0, -(radius + 6.0)]) + form.normal(0.0, 2.0, 3)
    psi = np.radians(72.0 + u * (305.0 - 72.0))
    ring = values["tricuspid_mm"] + wave(1.5)
    rca = np.stack([-9.0 + 8.0 * np.sin(np.pi * u) + wave(1.5),
                    tricuspid[1] + ring * np.sin(psi), tricuspid[2] + ring * np.cos(psi)],
                   axis=1)  # fmt: skip
    pda = on_wall(-2.0 + u * 0.7 * length, values["pda_deg"] + u * form.uniform(-6.0, 8.0))
    return Tree(
        {"LM": [_between(np.stack([start, fork]))], "LAD": [lad, lad, diagonal],
         "LCX": [lcx, lcx, marginal], "RCA": [_between(rca), _between(rca), pda]},
        root, tricuspid,
    )  # fmt: skip


Parts = list[tuple[str, FloatArray, float]]


def _plaques(
    form: np.random.Generator, values: Values, tree: Tree, frame: FloatArray, base: FloatArray
) -> Parts:
    """Owner, points every ``FINE_MM`` (n, 3) LPS, density in mg/ml of every deposit."""
    parts: Parts = []

    def add(owner: str, spine: FloatArray, radius: float) -> None:
        density = form.uniform(200.0, 900.0)
        parts.append((owner, _fill(form, spine, radius), density))

    low, high = RANGES["density_mg_ml"]
    for _ in range(int(values["plaques"])):
        owner = str(form.choice(CORONARY, p=(0.08, 0.42, 0.22, 0.28)))
        lines = tree.lines[owner]
        line = lines[int(form.integers(len(lines)))]
        long = round(form.uniform(1.0, 9.0) / 0.5)
        first = int(form.integers(max(len(line) - long, 1)))
        radius = form.uniform(*RANGES["plaque_mm"]) * min(values["plaque_mm"] / 1.45, 1.3)
        share = (values["density_mg_ml"] - low) / (high - low)
        density = float(np.clip(form.normal(low + (high - low) * share, 100.0), 150.0, 1000.0))
        spine = line[first : first + long + 1]
        parts.append((owner, _fill(form, spine @ frame + base, radius), density))
    for owner, spine in _other_places(form, values, tree, frame, base):
        if form.random() < values["other"]:
            add(owner, spine, form.uniform(0.8, 2.5))
    return parts


def _fill(form: np.random.Generator, spine: FloatArray, radius: float) -> FloatArray:
    """Points on a grid of ``FINE_MM`` within a beaded distance of a line (n, 3)."""
    beads = radius * form.uniform(0.75, 1.1, len(spine))
    low = spine.min(axis=0) - beads.max()
    size = np.ceil((spine.max(axis=0) + beads.max() - low) / FINE_MM).astype(int) + 1
    grid = np.indices(size).reshape(3, -1).T * FINE_MM + low
    far, nearest = cKDTree(spine).query(grid, distance_upper_bound=beads.max() + 0.1)
    near = np.isfinite(far)
    grid, far, nearest = grid[near], far[near], nearest[near]
    return np.asarray(grid[far <= beads[nearest]])


def _other_places(
    form: np.random.Generator, values: Values, tree: Tree, frame: FloatArray, base: FloatArray
) -> list[tuple[str, FloatArray]]:
    """Short lines (n, 3) LPS where other calcium may lie."""
    places = []
    for _ in range(2):  # cusps and ring of the aortic valve
        angle = form.uniform(0.0, 2.0 * np.pi) + np.linspace(0.0, 0.6, 8)
        ring = form.uniform(2.0, 11.0)
        local = tree.root + np.stack(
            [6.0 + 0.0 * angle, ring * np.sin(angle), ring * np.cos(angle)], axis=1
        )
        places.append(("aortic_valve", local @ frame + base))
    for _ in range(2):
        degrees = form.uniform(-100.0, 40.0) + np.linspace(0.0, form.uniform(8.0, 40.0), 12)
        ring = 0.66 * values["radius_mm"] + form.normal(0.0, 1.0)
        local = _at(1.0 + form.normal(0.0, 1.0) + 0.0 * degrees, degrees, ring + 0.0 * degrees)
        places.append(("mitral_annulus", local @ frame + base))
    root = tree.root @ frame + base
    for _ in range(2):
        up = form.uniform(18.0, 60.0) + np.linspace(0.0, 4.0, 6)
        angle = form.uniform(0.0, 2.0 * np.pi) + np.linspace(0.0, form.uniform(0.1, 0.6), 6)
        wall = np.stack([-0.22 * up + 15.0 * np.cos(angle), -0.1 * up + 15.0 * np.sin(angle), up],
                        axis=1)  # fmt: skip
        places.append(("ascending_aorta", root + wall))
    for _ in range(2):
        up = form.uniform(-60.0, 60.0) + np.linspace(0.0, 8.0, 6)
        angle = form.uniform(0.0, 2.0 * np.pi) + np.linspace(0.0, form.uniform(0.1, 0.8), 6)
        wall = np.stack([24.0 + 11.0 * np.cos(angle), 56.0 + 11.0 * np.sin(angle), up], axis=1)
        places.append(("descending_aorta", wall))
    side = form.choice([-1.0, 1.0])
    node = np.array([side * 38.0, 28.0, form.uniform(15.0, 45.0)]) + form.normal(0.0, 4.0, 3)
    places.append(("node", node + np.linspace(0.0, 2.0, 4)[:, None]))
    return places


def _grid(
    values: Values, distance_mm: float, base: FloatArray
) -> tuple[FloatArray, tuple[int, int, int]]:
    """Transaxial slices from below the apex to above the aortic root."""
    pixel = max(values["pixel_mm"], 0.9 if distance_mm < 1.0 else 0.0)
    n = round(values["fov_mm"] / pixel)
    reach = (-92.0, 62.0) if distance_mm >= 1.0 else (-70.0, 40.0)
    nz = round((reach[1] - reach[0]) / distance_mm)
    corner = (12.0 - 0.5 * n * pixel, -12.0 - 0.5 * n * pixel, float(base[2]) + reach[0])
    return make_affine(corner, (1, 0, 0), (0, 1, 0), (distance_mm, pixel, pixel)), (nz, n, n)


def _tissue(
    affine: FloatArray,
    size: tuple[int, int, int],
    frame: FloatArray,
    base: FloatArray,
    values: Values,
    tree: Tree,
) -> np.ndarray:
    """HU (z, y, x) float32 of all that is no deposit."""
    z, y, x = (
        (affine[axis, column] * np.arange(n) + affine[axis, 3]).astype(np.float32)
        for axis, column, n in ((2, 0, size[0]), (1, 1, size[1]), (0, 2, size[2]))
    )
    z, y, x = z[:, None, None], y[None, :, None], x[None, None, :]
    body = (x / 180.0) ** 2 + (y / 132.0) ** 2
    cavity = (x / 148.0) ** 2 + (y / 104.0) ** 2
    flat = np.where(body < 1.0, FAT, AIR).astype(np.float32)
    flat = np.where((body < 0.9) & (cavity > 1.12), BLOOD + 10.0, flat)
    flat = np.where(cavity < 1.0, LUNG, flat)
    flat = np.where((np.abs(x - 4.0) < 24.0) & (cavity < 1.0), FAT, flat)  # mediastinum
    flat = np.where((x - 24.0) ** 2 + (y - 56.0) ** 2 < 12.0**2, BLOOD, flat)
    picture = np.repeat(flat, size[0], axis=0)
    dome = base[2] - 50.0 - 0.0016 * ((x + 60.0) ** 2 + y**2)
    picture[(z < dome) & (cavity < 1.0)] = BLOOD + 15.0  # liver, stomach
    across = np.abs(x.ravel() - base[0] + 5.0) < 105.0
    along = np.abs(y.ravel() - base[1] + 15.0) < 85.0
    near = np.ix_(np.ones(size[0], dtype=bool), along, across)
    own = picture[near]
    soft = _heart([x[:, :, across], y[:, along], z], frame, base, values, tree)
    own[(soft < 7.0) & (own < 0.0)] = FAT
    own[soft < 0.0] = BLOOD
    picture[near] = own
    _bones(picture, x, y, z, cavity)
    return picture


def _heart(
    at: list[np.ndarray], frame: FloatArray, base: FloatArray, values: Values, tree: Tree
) -> np.ndarray:
    """Distance to the heart and the ascending aorta, mm, negative inside; far ones not exact."""
    x, y, z = (one - np.float32(k) for one, k in zip(at, base, strict=True))
    t, a, s = (
        np.float32(row[0]) * x + np.float32(row[1]) * y + np.float32(row[2]) * z for row in frame
    )  # full arrays; x, y, z stay lines
    radius, length = values["radius_mm"], values["length_mm"]
    middle = values["belly"] * length
    right = tree.tricuspid

    def ball(centre: tuple[float, float, float], semi: tuple[float, float, float]) -> np.ndarray:
        q = sum(((one - np.float32(c)) / np.float32(k)) ** 2
                for one, c, k in zip((t, a, s), centre, semi, strict=True))  # fmt: skip
        return (np.sqrt(q) - 1.0) * np.float32(min(semi))

    ventricle = ball((middle, 0.0, 0.0), (length - middle, radius, radius))
    out = np.where(t > 0.0, ventricle, np.maximum(ventricle, -t))
    ring = values["tricuspid_mm"]
    groove = ball((24.0, right[1], right[2]), (42.0, ring + 2.0, ring - 2.0))
    out = np.minimum(out, np.where(t > -2.0, groove, np.maximum(groove, -2.0 - t)))
    out = np.minimum(out, ball((-26.0, -2.0, 4.0), (20.0, 27.0, 27.0)))
    out = np.minimum(out, ball((-28.0, right[1] - 2.0, right[2] - 4.0), (22.0, 25.0, 25.0)))
    x0, y0, z0 = tree.root @ frame
    up = z - z0
    tube = np.hypot(x - x0 + 0.22 * up, y - y0 + 0.1 * up) - 15.0
    return np.minimum(out, np.where(up > -8.0, tube, 99.0))


def _bones(picture: np.ndarray, x: np.ndarray, y: np.ndarray, z: np.ndarray, cavity: np.ndarray):
    spine = np.hypot(x, (y - 82.0) * 1.15)
    disc = (z % 32.0) < 6.0
    picture[(spine < 19.0) & ~disc] = BONE
    picture[(spine < 19.0) & (spine > 16.5) & ~disc] = CORTEX
    picture[(spine < 18.0) & disc] = 80.0
    shell = (cavity > 1.02) & (cavity < 1.13) & (np.abs(x) > 22.0)
    rib = (z - 0.35 * y) % 27.0
    picture[shell & (rib < 11.0)] = BONE
    picture[shell & (rib < 11.0) & ((rib < 2.0) | (rib > 9.0) | (cavity > 1.10))] = CORTEX
    sternum = (np.abs(x) < 18.0) & (y < -106.0) & (y > -117.0)
    picture[sternum & (z == z)] = BONE
    picture[sternum & ((y > -108.0) | (y < -115.0)) & (z == z)] = CORTEX


def _lay(
    picture: np.ndarray, affine: FloatArray, thickness: float, points: FloatArray, hu: float
) -> None:
    """Add what fine points contribute to the voxels: the slice is a box of its thickness."""
    if not len(points):
        return
    index = (points - affine[:3, 3]) / np.diag(affine[:3, [2, 1, 0]])
    column, row, at = index.T
    distance = affine[2, 0]
    half = 0.5 * thickness / distance
    part = FINE_MM**3 / (thickness * affine[1, 1] * affine[0, 2])
    low = np.ceil(at - half).astype(int)
    for step in range(int(np.ceil(2.0 * half)) + 1):
        slab = low + step
        inside = (slab <= at + half) & (slab >= 0) & (slab < picture.shape[0])
        place = (
            slab[inside],
            np.rint(row[inside]).astype(int),
            np.rint(column[inside]).astype(int),
        )
        np.add.at(picture, place, np.float32(part * hu))


def _lead(tree: Tree, frame: FloatArray, base: FloatArray, values: Values) -> FloatArray:
    """Points along a lead: superior vena cava, tricuspid valve, apex of the right ventricle."""
    if values["lead"] <= LEAD_ABOVE:
        return np.zeros((0, 3))
    middle = tree.tricuspid @ frame + base
    tip = np.array([45.0, -15.0, tree.tricuspid[2] + 8.0]) @ frame + base
    above = middle + np.array([-28.0, 22.0, 60.0])
    beside = middle + np.array([-20.0, 14.0, 10.0])
    return _between(np.stack([above, beside, middle, tip]), FINE_MM)


def _throw_beams(
    picture: np.ndarray, affine: FloatArray, lead: FloatArray, form: np.random.Generator
) -> None:
    """Bright and dark rays from the metal of each slice."""
    if not len(lead):
        return
    index = (lead - affine[:3, 3]) / np.diag(affine[:3, [2, 1, 0]])
    rows, columns = (np.arange(n, dtype=np.float32) for n in picture.shape[1:])
    for slab in np.unique(np.rint(index[:, 2]).astype(int)):
        if not 0 <= slab < picture.shape[0]:
            continue
        own = index[np.rint(index[:, 2]).astype(int) == slab]
        down = (rows - own[:, 1].mean())[:, None] * affine[1, 1]
        right = (columns - own[:, 0].mean())[None, :] * affine[0, 2]
        rays = np.cos(form.integers(5, 9) * np.arctan2(down, right) + form.uniform(0.0, 6.0))
        far = np.hypot(down, right)
        picture[slab] += (220.0 * rays * np.exp(-far / 14.0) * (far > 1.5)).astype(np.float32)


def _noise(
    noise: np.random.Generator, values: Values, kvp: float, thickness: float, size: tuple[int, ...]
) -> np.ndarray:
    """Noise of a dose: as much more as the slice is thinner and the beam softer, in grains."""
    sd = values["noise_hu"] * np.sqrt(3.0 / thickness) * (120.0 / kvp) ** 0.7
    grain = 0.45 * values["kernel_mm"] / values["pixel_mm"]
    field = noise.standard_normal(size, dtype=np.float32)
    for axis in (1, 2):
        field = gaussian_filter1d(field, grain, axis=axis, truncate=3.0)
    return np.asarray(field * (sd / field[::4].std()))


def spect_of(chest: Chest) -> Volume:
    """SPECT of the same heart: wall, faint right ventricle, liver; moved by ``shift_mm``."""
    rng = np.random.default_rng([20261127, chest.seed, 9])
    values, voxel = chest.values, 4.8
    middle = chest.base + 40.0 * chest.frame[0]
    n, nz = 48, 40
    corner = middle - 0.5 * voxel * np.array([n - 1, n - 1, nz - 1])
    affine = make_affine(tuple(corner), (1, 0, 0), (0, 1, 0), (voxel, voxel, voxel))
    moved = chest.base + rng.normal(0.0, values["shift_mm"], 3)
    counts = np.zeros((nz, n, n))
    steps = (np.arange(3) + 0.5) / 3 - 0.5
    index = np.indices((nz, n, n)).reshape(3, -1).T
    for offset in np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3):
        place = (index + offset) @ affine[:3, :3].T + affine[:3, 3]
        counts += _uptake((place - moved) @ chest.frame.T, values).reshape(counts.shape)
    sd = 12.0 / 2.3548 / voxel
    seen = gaussian_filter(counts / 27.0, sd * 0.75)
    counted = gaussian_filter(rng.poisson(seen * 60.0).astype(float), sd * 0.66)
    return Volume(counted, affine, "counts", FRAME)


def _uptake(local: FloatArray, values: Values) -> FloatArray:
    t, a, s = local.T
    rho = np.hypot(a, s)
    inner = {**values, "radius_mm": values["radius_mm"] - 10.0,
             "length_mm": values["length_mm"] - 9.0}  # fmt: skip
    inner["belly"] = values["belly"] * values["length_mm"] / inner["length_mm"]
    is_epi = (rho < epicardium(values, t)) & (t > 0.0)
    is_endo = (rho < epicardium(inner, t)) & (t > 0.0)
    uptake = np.where(s > 5.0, 0.06, 0.09)
    right = ((t - 24.0) / 42.0) ** 2 + (a / 30.0) ** 2 + ((s + values["radius_mm"] + 4) / 28) ** 2
    uptake[(right < 1.0) & (right > 0.75) & (t > 0.0)] = 0.22
    liver = ((a + values["radius_mm"] + 75.0) / 58.0) ** 2 + ((s + 45.0) / 80.0) ** 2
    uptake[liver < 1.0] = 0.4
    uptake[is_epi] = 1.0
    uptake[is_endo] = 0.1
    return np.asarray(uptake)
