"""Digital phantom: one synthetic stress SPECT study with its truth, deterministic by seed.

The output lies on a 4.8 mm isotropic grid in LPS. Synthetic: no patient was scanned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from mpss_lib.demo import _kernels, acquisition, anatomy
from mpss_lib.demo.acquisition import GRID, SLICES, VOXEL_MM, Scan
from mpss_lib.errors import WrongArgumentError
from mpss_lib.volume import FloatArray, Mask, Volume, make_affine

Plain = str | int | float | bool

ARTEFACTS = (
    "",
    "liver_spill",
    "hot_gut",
    "apical_thinning",
    "breast",
    "fixed_defect",
    "truncation",
    "motion",
    "low_counts",
    "over_correction",
    "misregistration",
)
"""Classes of artefact; the empty one is a clean study."""

_ARTEFACT_RANGES: Mapping[str, Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "liver_spill": {"liver": (1.4, 2.1), "liver_gap_mm": (2.0, 5.0)},
        "hot_gut": {"gut": (1.4, 2.2), "gut_gap_mm": (3.0, 6.0)},
        "apical_thinning": {"apex_loss": (0.35, 0.6), "apex_wall_factor": (0.45, 0.6)},
        "breast": {"breast_mm": (40.0, 55.0)},
        "fixed_defect": {"defect": (0.5, 0.9)},
        "low_counts": {"counts_millions": (0.4, 0.9)},
    }
)


@dataclass(frozen=True)
class PhantomSpec:
    """What to make.

    Parameters
    ----------
    seed : int
        Everything random follows from it.
    sex : str
        ``F`` or ``M``.
    amplitude : mapping of vessel (LAD, LCX, RCA) to float
        Relative SD of the perfusion in its territory, about .05 to .22; 0.05 where absent.
    artefact : str
        One of ``ARTEFACTS``.
    correction : str
        ``AC`` or ``NAC``: whether the reconstruction corrects attenuation.
    orientation : str
        ``transaxial`` or ``short_axis`` (slices from apex to base, anterior wall on top).
    matrix, slices : int
        Size of the volume: (slices, matrix, matrix).
    gates : int
        1: a heart that stands still. More: it beats, each time slot is reconstructed for itself
        and the volume is their sum; the truth is what wall and cavity fill half of the time.
    anatomy : mapping of str to float
        Values of ``anatomy.DEFAULTS`` to fix instead of drawing them.
    """

    seed: int
    sex: str = "F"
    amplitude: Mapping[str, float] = field(default_factory=dict)
    artefact: str = ""
    correction: str = "AC"
    orientation: str = "transaxial"
    matrix: int = 64
    slices: int = 40
    gates: int = 1
    anatomy: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        allowed: Mapping[str, tuple[str, ...]] = {
            "sex": ("F", "M"),
            "artefact": ARTEFACTS,
            "correction": ("AC", "NAC"),
            "orientation": ("transaxial", "short_axis"),
        }
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise WrongArgumentError(
                    f"{name} = {getattr(self, name)!r}", way_out=f"use one of {values}"
                )
        if self.gates < 1:
            raise WrongArgumentError(f"gates = {self.gates}", way_out="use 1 or more time slots")
        if set(self.amplitude) - set(anatomy.VESSELS):
            raise WrongArgumentError(
                f"amplitude of {sorted(self.amplitude)}", way_out=f"use {anatomy.VESSELS}"
            )


@dataclass(frozen=True)
class Phantom:
    """A synthetic study.

    ``truth`` holds the masks MYO, ENDO and EPI on the volume's grid; ``labels`` plain values
    (never given to the pipeline): what was planted and the true geometry, mm and mL; ``slots``
    (gates, z, y, x) the time slots whose sum the volume is.
    """

    spec: PhantomSpec
    volume: Volume
    truth: Mapping[str, Mask]
    labels: Mapping[str, Plain]
    slots: FloatArray


def make_phantom(spec: PhantomSpec) -> Phantom:
    """Make a phantom: anatomy, projections, Poisson noise, reconstruction.

    Parameters
    ----------
    spec : PhantomSpec

    Returns
    -------
    Phantom
        ``volume.array`` is (z, y, x) float64 counts, 4.8 mm isotropic; transaxial volumes have
        +z Superior, +y Posterior, +x Left.
    """
    shape_rng, field_rng, noise_rng = (
        np.random.default_rng([20210201, spec.seed, stream]) for stream in range(3)
    )
    fixed = _artefact_values(spec, shape_rng) | dict(spec.anatomy)
    values = anatomy.draw_parameters(shape_rng, fixed, spec.sex)
    heart = anatomy.draw_heart(shape_rng, values)
    organs, breast = anatomy.draw_organs(shape_rng, values, heart, spec.sex)
    mu_given = None
    if spec.artefact == "breast" and breast >= 0:
        mu_given = _paint_background(np.delete(organs, breast, axis=0))[1]
    how = _scan_of(spec, shape_rng, values)
    field_state = field_rng.bit_generator.state
    slots = []
    for shape in _beats(heart, spec.gates):
        field_rng.bit_generator.state = field_state  # the same pattern of perfusion in each slot
        activity, mu = _paint(field_rng, spec, values, shape, organs)
        mu_known = mu if mu_given is None else mu_given
        array = acquisition.scan(noise_rng, activity, mu, mu_known, how)
        slots.append(_deliver(array, spec, heart))
    arrays = np.stack([slot.array for slot in slots])
    volume = Volume(arrays.sum(axis=0), slots[0].affine)
    truth = _truth(_beats(heart, spec.gates), volume)
    return Phantom(spec, volume, truth, _labels(spec, values, heart, truth), arrays)


def _beats(heart: anatomy.Heart, gates: int) -> list[anatomy.Heart]:
    """Shape of the heart in each time slot."""
    if gates == 1:
        return [heart]
    phase = 2.0 * np.pi * np.arange(gates) / gates
    return [heart.beat(float(share)) for share in 0.5 - 0.5 * np.cos(phase)]


def _artefact_values(spec: PhantomSpec, rng: np.random.Generator) -> dict[str, float]:
    ranges = _ARTEFACT_RANGES.get(spec.artefact, {})
    return {name: float(rng.uniform(low, high)) for name, (low, high) in ranges.items()}


def _scan_of(spec: PhantomSpec, rng: np.random.Generator, values: Mapping[str, float]) -> Scan:
    scale = values["body_scale"]
    sign = float(rng.choice([-1.0, 1.0]))
    strength = float(rng.uniform())
    is_shifted = spec.artefact == "misregistration"
    return Scan(
        counts=values["counts_millions"] * 1e6 / spec.gates,
        body_mm=(165.0 * scale, 115.0 * scale),
        is_corrected=spec.correction == "AC",
        mu_factor=1.3 + 0.25 * strength if spec.artefact == "over_correction" else 1.0,
        mu_shift=(0, round(sign * (3.5 + strength)), -2) if is_shifted else (0, 0, 0),
        jump_mm=sign * (14.0 + 8.0 * strength) if spec.artefact == "motion" else 0.0,
        jump_view=int(rng.integers(22, 38)),
        field_mm=120.0 + 12.0 * strength if spec.artefact == "truncation" else 999.0,
    )


def _paint_background(organs: FloatArray) -> tuple[_kernels.Float32Array, _kernels.Float32Array]:
    activity = np.zeros((GRID, GRID, SLICES), np.float32)
    mu = np.zeros_like(activity)
    origin = grid_affine()[:3, 3].copy()
    _kernels.paint_organs(organs, origin, VOXEL_MM, activity, mu)
    return activity, mu


def _paint(
    rng: np.random.Generator,
    spec: PhantomSpec,
    values: Mapping[str, float],
    heart: anatomy.Heart,
    organs: FloatArray,
) -> tuple[_kernels.Float32Array, _kernels.Float32Array]:
    """Activity and attenuation (y, x, z) of the whole patient."""
    from scipy.ndimage import gaussian_filter1d

    activity, mu = _paint_background(organs)
    affine = grid_affine()
    shares = anatomy.fractions(heart, affine, (SLICES, GRID, GRID)).transpose(0, 2, 3, 1)
    wall, cavity, right_wall, right_cavity = shares
    index = np.argwhere(wall > 0)
    position = index[:, [2, 0, 1]] @ affine[:3, :3].T + affine[:3, 3]
    uptake = anatomy.perfusion(rng, heart, values, spec.amplitude, position, index)
    rest = 1.0 - shares.sum(axis=0)
    activity *= rest
    activity += values["cavity"] * (cavity + right_cavity) + values["right_wall"] * right_wall
    activity[tuple(index.T)] += wall[tuple(index.T)] * uptake.astype(np.float32)
    mu += (1.0 - rest) * (np.float32(anatomy.MU_SOFT) - mu)
    blurred = gaussian_filter1d(activity, values["respiration_mm"] / VOXEL_MM, axis=2)
    return np.ascontiguousarray(blurred), np.ascontiguousarray(mu)


def grid_affine() -> FloatArray:
    """Affine of the reconstruction grid (44, 80, 80), centred on the patient.

    Returns
    -------
    (4, 4) float64 array
        Index (z, y, x, 1) to LPS mm.
    """
    plane = -0.5 * (GRID - 1) * VOXEL_MM
    height = -0.5 * (SLICES - 1) * VOXEL_MM
    spacing = (VOXEL_MM, VOXEL_MM, VOXEL_MM)
    return make_affine((plane, plane, height), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), spacing)


def _deliver(array: FloatArray, spec: PhantomSpec, heart: anatomy.Heart) -> Volume:
    """Crop, pad or reorient to the grid that was asked for."""
    shape = (spec.slices, spec.matrix, spec.matrix)
    if spec.orientation == "transaxial":
        affine = grid_affine()
        start = [(GRID - spec.matrix) // 2, (SLICES - spec.slices) // 2]
        first = np.array([start[1], start[0], start[0]], dtype=np.float64)
        affine[:3, 3] += affine[:3, :3] @ first
        out = np.zeros(shape)
        take, put = zip(
            *(_overlap(n, m) for n, m in zip(array.shape, shape, strict=True)), strict=True
        )
        out[put] = array[take]
        return Volume(out, affine)
    from scipy.ndimage import affine_transform

    row, column = heart.lateral, -heart.anterior
    middle = heart.centre + 0.3 * heart.long_endo * heart.axis
    half = 0.5 * (np.array(shape) - 1.0) * VOXEL_MM
    origin = middle + heart.axis * half[0] - column * half[1] - row * half[2]
    spacing = (VOXEL_MM, VOXEL_MM, VOXEL_MM)
    affine = make_affine(tuple(origin), tuple(row), tuple(column), spacing)
    pull = np.linalg.inv(grid_affine()) @ affine
    turned = affine_transform(array, pull[:3, :3], pull[:3, 3], shape, order=3)
    return Volume(np.clip(turned, 0.0, None), affine)


def _overlap(have: int, want: int) -> tuple[slice, slice]:
    start = (have - want) // 2
    low, high = max(start, 0), min(start + want, have)
    return slice(low, high), slice(low - start, high - start)


def _truth(beats: list[anatomy.Heart], volume: Volume) -> dict[str, Mask]:
    nz, ny, nx = volume.array.shape
    shape = (nz, ny, nx)
    parts = [anatomy.fractions(heart, volume.affine, shape, sub=4) for heart in beats]
    shares = np.mean(parts, axis=0)
    epi = shares[0] + shares[1] >= 0.5
    endo = (shares[1] >= 0.5) & epi
    named = {"MYO": epi & ~endo, "ENDO": endo, "EPI": epi}
    return {name: Mask(array, volume.affine) for name, array in named.items()}


def _labels(
    spec: PhantomSpec,
    values: Mapping[str, float],
    heart: anatomy.Heart,
    truth: Mapping[str, Mask],
) -> dict[str, Plain]:
    labels: dict[str, Plain] = {
        "seed": spec.seed,
        "sex": spec.sex,
        "artefact": spec.artefact,
        "correction": spec.correction,
        "orientation": spec.orientation,
        "myocardium_ml": truth["MYO"].volume_ml,
        "cavity_ml": truth["ENDO"].volume_ml,
        "base_mm": heart.base,
        "long_endo_mm": heart.long_endo,
        "wall_apex_mm": heart.wall_apex,
    }
    for vessel in anatomy.VESSELS:
        labels[f"amplitude_{vessel}"] = float(spec.amplitude.get(vessel, 0.05))
    for name, vector in (("axis", heart.axis), ("centre", heart.centre)):
        for letter, value in zip("xyz", vector, strict=True):
            labels[f"{name}_{letter}"] = float(value)
    return labels | dict(values)
