"""The door of the package: the gates of one study in, ejection fraction and what goes with it out.

The ventricle is found in the sum of the gates. In each gate a model of it (mid-wall surface, valve
plane) is moved until its blurred picture lies on the gate's; the wall's volume and the blur, the
same in all gates, are those that fit all of them. The cavity is what the wall of that volume leaves
inside. End-diastole and end-systole are the extremes of the beat's harmonics.

What the standard programs do alike: surfaces from count profiles and a wall that keeps its volume
(Germano et al., J Nucl Med 1995;36:2138), thickening from counts (Faber et al., J Nucl Med
1999;40:650). What they do not: the model's picture carries the partial-volume effect, so that small
cavities are not read too small (Nakajima et al., Eur J Nucl Med Mol Imaging 2013;40:1163).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from mpss_lib.errors import GeometryError, WrongArgumentError
from mpss_lib.gated import beat, calibration, finding, quality, regional
from mpss_lib.gated.calibration import Calibration
from mpss_lib.gated.finding import Found
from mpss_lib.gated.matching import match
from mpss_lib.gated.model import Shape
from mpss_lib.gated.regional import Phase
from mpss_lib.volume import AFFINE_TOLERANCE_MM, BoolArray, FloatArray, Volume

ROUNDS = ((2, True), (1, True), (1, True), (1, False))
"""Steps of every gate, and whether the calibration is improved after them."""
CALIBRATION_GATES = 6
FIRST_STEPS = 3  # of the sum
BLUR_OF_SUM = 0.85  # of the blur that the sum's wall seems to have; the rest is motion
NOTHING = Phase(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class Ejection:
    """Ejection fraction of one gated study.

    Where nothing could be measured the figures are NaN and ``flags`` says why.

    Parameters
    ----------
    percent : float
        Ejection fraction, percent: (EDV - ESV) / EDV of ``beat_ml``.
    edv_ml, esv_ml : float
        Largest and smallest volume of the cavity in the beat, ml.
    gates_percent : float
        Ejection fraction from the largest and smallest gate, as programs without a correction for
        the length of a gate read it: lower by about 1 point at 16 gates and by 5 at 8.
    percent_sd : float
        Standard deviation of ``percent`` that comes from the wall's volume: a lower bound.
    curve_ml : (gates,) float64 array
        Volume of the cavity in each gate, ml; NaN where a gate is missing.
    beat_ml : (100,) float64 array
        Volume at every hundredth of the beat from the R wave on, ml.
    wall_ml, wall_mm : float
        Volume of the wall above the valve plane, ml, and its thickness at end-diastole, mm.
    fwhm_mm : float
        Resolution of the images: full width at half maximum of their blur, mm.
    phase : Phase
    thickening : mapping of S01-S17 to float
        Rise of each segment's counts from end-diastole to end-systole, percent.
    count_share : (gates,) float64 array
        Counts of each gate over their median.
    flags : tuple of str
        Names of what is out of order (``quality.FLAGS`` tells what each means); empty where the
        figure is sure.
    doubts : tuple of str
        Values of the segmentation's self-check that are out of range in the sum of the gates.
    """

    percent: float = float("nan")
    edv_ml: float = float("nan")
    esv_ml: float = float("nan")
    gates_percent: float = float("nan")
    percent_sd: float = float("nan")
    curve_ml: FloatArray = field(default_factory=lambda: np.zeros(0))
    beat_ml: FloatArray = field(default_factory=lambda: np.full(beat.STEPS, np.nan))
    wall_ml: float = float("nan")
    wall_mm: float = float("nan")
    fwhm_mm: float = float("nan")
    phase: Phase = NOTHING
    thickening: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    count_share: FloatArray = field(default_factory=lambda: np.zeros(0))
    flags: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def stroke_ml(self) -> float:
        """Stroke volume, ml."""
        return self.edv_ml - self.esv_ml

    @property
    def is_sure(self) -> bool:
        """Whether nothing was out of order."""
        return not self.flags


def ejection_fraction(gates: list[Volume], *, orientation: str | None = None) -> Ejection:
    """Measure the left ventricle's volumes and ejection fraction in a gated study.

    Parameters
    ----------
    gates : list of Volume
        Counts (z, y, x) of the gates in the order of the beat, the first after the R wave, all of
        one length and on one grid. A gate that is missing is a volume of zeros or NaN.
    orientation : str, optional
        ``transaxial`` or ``short_axis`` as for ``segmentation.segment``; by default as the slices
        lie in the patient.

    Returns
    -------
    Ejection
        Volumes in ml, fractions in percent. ``flags`` names what is out of order.

    Raises
    ------
    WrongArgumentError
        If there is no gate, or the orientation has another name.
    GeometryError
        If the gates do not lie on one grid.
    """
    _check_grids(gates)
    share = quality.count_shares(gates)
    is_used = share >= quality.MISSING_SHARE
    if int(is_used.sum()) < beat.FEWEST_GATES:
        return Ejection(count_share=share, flags=("too_few_gates",))
    scaled = [
        one.array / part if used else np.zeros_like(one.array)
        for one, part, used in zip(gates, share, is_used, strict=True)
    ]
    mean = np.sum(scaled, axis=0) / is_used.sum()
    total = replace(gates[0], array=np.ascontiguousarray(mean))
    found = finding.find(total, orientation)
    if found is None:
        return Ejection(count_share=share, flags=("ventricle_not_found",))
    used = [replace(total, array=scaled[k]) for k in np.flatnonzero(is_used)]
    seen = [found.lattice.profiles(found.lattice.bring(one)) / found.counts for one in used]
    shapes, summed, known = _follow_gates(found, seen)
    return _measure(total, found, _Followed(seen, shapes, summed, known, share, is_used))


def _check_grids(gates: Sequence[Volume]) -> None:
    if not gates:
        raise WrongArgumentError("no gates", way_out="give the volumes of all gates of one beat")
    for number, one in enumerate(gates[1:], start=2):
        if one.array.shape != gates[0].array.shape or not np.allclose(
            one.affine, gates[0].affine, atol=AFFINE_TOLERANCE_MM
        ):
            raise GeometryError(
                f"gate {number} does not lie on the grid of gate 1",
                way_out="give the gates of one study, reconstructed alike",
            )


@dataclass(frozen=True)
class _Followed:
    """Gates that are used: their profiles and shapes; shares and use of all gates."""

    seen: list[FloatArray]
    shapes: list[Shape]
    summed: Shape
    known: Calibration
    share: FloatArray
    is_used: BoolArray

    def of_all(self, values: Sequence[float] | FloatArray) -> FloatArray:
        """Values of the used gates among all; NaN where a gate is missing."""
        values = np.asarray(values, dtype=np.float64)
        full = np.full((len(self.is_used), *values.shape[1:]), np.nan)
        full[self.is_used] = values
        return full


def _follow_gates(found: Found, seen: list[FloatArray]) -> tuple[list[Shape], Shape, Calibration]:
    """Follow the ventricle through the gates; surfaces and calibration in turn."""
    lattice = found.lattice
    known = calibration.begin(found.shape, BLUR_OF_SUM * float(np.sqrt(found.blur_mm2)), 1.0)
    mean = np.mean(seen, axis=0)
    summed = match(lattice, mean, found.shape, found.shape, known.look, FIRST_STEPS)
    shapes = [summed] * len(seen)
    chosen = np.unique(np.arange(CALIBRATION_GATES) * len(seen) // CALIBRATION_GATES)
    for steps, is_calibrated in ROUNDS:
        shapes = [
            match(lattice, one, shape, summed, known.look, steps)
            for one, shape in zip(seen, shapes, strict=True)
        ]
        if is_calibrated:
            widest = max(shapes, key=lambda shape: shape.cavity_ml(known.look.wall_ml))
            known = calibration.calibrate(
                lattice,
                [seen[k] for k in chosen],
                [shapes[k] for k in chosen],
                widest.wall_ml(calibration.USUAL_WALL_MM),
                known,
            )
    return shapes, summed, known


def _measure(total: Volume, found: Found, followed: _Followed) -> Ejection:
    look, is_used, share = followed.known.look, followed.is_used, followed.share
    volumes = np.array([shape.cavity_ml(look.wall_ml) for shape in followed.shapes])
    curve = followed.of_all(volumes)
    through = beat.fit_beat(curve, share, is_used)
    edv, esv = float(through.values.max()), float(through.values.min())
    counts = followed.of_all(regional.polar_of_gates(followed.seen, followed.shapes))
    first = followed.shapes[int(np.argmax(volumes))]
    wall_mm = first.thickness_mm(look.wall_ml)
    percent = 100.0 * (1.0 - esv / edv) if edv > 0.0 else float("nan")
    made = Ejection(
        percent=percent,
        edv_ml=edv,
        esv_ml=esv,
        gates_percent=100.0 * (1.0 - float(volumes.min() / volumes.max())),
        percent_sd=percent * followed.known.wall_spread * 0.5 * look.wall_ml / max(edv, 1.0),
        curve_ml=curve,
        beat_ml=through.values,
        wall_ml=look.wall_ml,
        wall_mm=wall_mm,
        fwhm_mm=2.0 * float(np.sqrt(2.0 * np.log(2.0))) * look.blur_mm,
        phase=regional.measure_phase(counts, regional.area_of_levels(first), is_used),
        thickening=regional.measure_thickening(
            counts, first, wall_mm, (through.end_diastole, through.end_systole), share, is_used
        ),
        count_share=share,
        doubts=found.doubts,
    )
    values = quality.Values(
        misfit=quality.worst_misfit(found.lattice, followed.seen, followed.shapes, look),
        motion=quality.largest_motion(followed.shapes, followed.summed),
        residual_share=through.residual / max(edv, 1.0),
        seen_share=finding.seen_share(total, found),
        end_diastole=through.end_diastole,
        end_systole=through.end_systole,
    )
    return replace(made, flags=quality.flags_of(made, values))
