"""The gate and the choice: every reason, and one series with the reason why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nm_objects import HABITS, REAL, SERIES, SUBJECT, small_object, small_volume

from mpss_lib.demo.nm_writing import nm_dataset
from mpss_lib.dicom import to_bytes
from mpss_lib.intake.candidate import REASONS
from mpss_lib.intake.choice import choose
from mpss_lib.intake.series import inspect
from mpss_lib.sections import IntakeSettings

SETTINGS = IntakeSettings()


@pytest.fixture
def gate(tmp_path: Path):
    def look(dataset, settings: IntakeSettings = SETTINGS):
        path = tmp_path / "object.dcm"
        path.write_bytes(dataset if isinstance(dataset, bytes) else to_bytes(dataset))
        return inspect(path, settings)

    return look


def changed(change):
    dataset = small_object()
    change(dataset)
    return dataset


def gated_object():
    volume = small_volume()
    return nm_dataset(volume, SUBJECT, SERIES, HABITS, gated=np.stack([volume.array] * 3))


def test_the_wanted_series_has_no_reason_against_it(gate):
    seen = gate(small_object())
    assert seen.reasons == ()
    assert seen.shape == (7, 10, 9)
    assert seen.answers["voxel"].value == "4.8 x 4.8 x 4.8"


SPARE = {"image_id": "", "corrected": (), "reconstruction": "", "state": "", "description": "X"}
REFUSED = {
    "sop class": (
        lambda: changed(lambda d: setattr(d, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.7")),
        {"sop_class"},
    ),
    "projections": (
        lambda: changed(lambda d: setattr(d, "ImageType", ["ORIGINAL", "PRIMARY", "TOMO"])),
        {"not_reconstructed"},
    ),
    "pixel data": (
        lambda: changed(lambda d: setattr(d, "PixelData", d.PixelData[:-4])),
        {"pixel_data"},
    ),
    "frame order": (lambda: changed(lambda d: d.pop("SliceVector")), {"geometry"}),
    "rest": (
        lambda: small_object(series=replace(SERIES, state="rest", image_id="", description="R")),
        {"rest"},
    ),
    "says nothing": (
        lambda: small_object(series=replace(SERIES, **SPARE)),
        {"stress_unknown", "attenuation_unknown", "reconstruction_unknown"},
    ),
    "NAC FBP": (
        lambda: small_object(series=replace(SERIES, **SPARE | {"description": "STRESS NAC FBP"})),
        {"not_attenuation_corrected", "not_iterative"},
    ),
    "no orientation": (
        lambda: changed(lambda d: d.pop("DetectorInformationSequence")),
        {"orientation_unknown"},
    ),
    "oblique": (
        lambda: small_object(
            small_volume(row=(0.0, 1.0, 0.0), column=(0.0, 0.0, -1.0)),
            series=replace(SERIES, view=""),
        ),
        {"orientation_oblique"},
    ),
    "voxel": (lambda: small_object(small_volume(spacing_mm=(4.8, 4.8, 4.86))), {"voxel_size"}),
    "slices": (lambda: small_object(small_volume(spacing_mm=(9.6, 4.8, 4.8))), {"voxel_size"}),
    "negative": (
        lambda: changed(
            lambda d: (setattr(d, "RescaleSlope", "1"), setattr(d, "RescaleIntercept", "-5"))
        ),
        {"negative"},
    ),
    "not finite": (lambda: changed(lambda d: setattr(d, "RescaleSlope", "nan")), {"not_finite"}),
    "empty": (
        lambda: changed(lambda d: setattr(d, "PixelData", b"\0" * len(d.PixelData))),
        {"empty"},
    ),
}


@pytest.mark.filterwarnings("ignore:.*value for VR:UserWarning")
@pytest.mark.parametrize("name", REFUSED)
def test_every_reason_is_listed(gate, name):
    make, want = REFUSED[name]
    seen = gate(make())
    assert set(seen.reasons) == want
    assert set(seen.reasons) <= set(REASONS)


def test_voxel_tolerance_is_included(gate):
    assert gate(small_object(small_volume(spacing_mm=(4.85, 4.75, 4.8)))).reasons == ()


def test_unreadable_file_is_a_candidate_with_a_reason(gate):
    seen = gate(b"no image at all " * 40)
    assert seen.reasons == ("unreadable",)
    assert "no DICOM file" in seen.answers["object"].value


def test_truncated_file_is_a_candidate_with_a_reason(gate):
    seen = gate(to_bytes(small_object())[:-10])
    assert seen.reasons == ("unreadable",)
    assert "truncated" in seen.answers["object"].value


def test_too_few_pixels_are_a_candidate_with_a_reason(gate):
    short = small_object()
    short.PixelData = short.PixelData[:-10]
    seen = gate(short)
    assert seen.reasons == ("pixel_data",)
    assert "truncated" in seen.answers["object"].value


def test_gated_is_summed_or_refused(gate):
    assert gate(gated_object()).reasons == ()
    assert gate(gated_object(), IntakeSettings(gated="refuse")).reasons == ("gated",)


def test_settings_may_leave_an_orientation_out(gate):
    settings = IntakeSettings(orientations=("short_axis",))
    assert gate(small_object(), settings).reasons == ("orientation_not_wanted",)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_bytes_never_raise(gate, seed):
    rng = np.random.default_rng(seed)
    whole = to_bytes(small_object(habits=replace(HABITS, rescale=True)))
    for _ in range(60):
        content = bytearray(whole[: rng.integers(200, len(whole))] if rng.random() < 0.2 else whole)
        for place in rng.integers(132, min(2600, len(content)), rng.integers(1, 6)):
            content[place] = rng.choice(list(b"0123456789.-eEnNiI\\\0\xff"))
        assert set(gate(bytes(content)).reasons) <= set(REASONS)


# -------------------------------------------------------------------------- choice


def numbered(number: int, seed: int = 5, **text):
    volume = small_volume()
    noise = np.random.default_rng(seed).random(volume.array.shape)
    return small_object(
        replace(volume, array=volume.array * noise), replace(SERIES, number=number, **text)
    )


def test_only_eligible_one_is_chosen(gate):
    seen = [gate(small_object()), gate(REFUSED["rest"][0]())]
    choice = choose(seen, ["b", "a"])
    assert (choice.index, choice.rule, choice.others) == (0, "only_eligible", {})


def test_duplicate_never_moves_the_choice(gate):
    first, again = gate(numbered(3)), gate(numbered(9))
    for candidates in ([first, again], [again, first]):
        choice = choose(candidates, ["k1", "k2"])
        assert candidates[choice.index] is first
        assert choice.rule == "first_of_duplicates"
        assert list(choice.others.values()) == [("duplicate", "not_best")]


def test_order_of_preference(gate):
    axial, late = gate(numbered(3)), gate(numbered(7, seed=8))
    gated = gate(gated_object())
    short = gate(
        small_object(
            small_volume(row=(0.6, 0.8, 0.0), column=(0.48, -0.36, 0.8)),
            replace(SERIES, view="short_axis", number=20),
        )
    )
    assert short.reasons == ()
    for pair, want in (
        ([short, axial], (1, "transaxial_first")),
        ([gated, axial], (1, "ungated_first")),
        ([axial, late], (1, "latest_series")),
        ([gate(numbered(3, seed=8)), axial], (0, "lowest_key")),
    ):
        choice = choose(pair, ["a", "b"])
        assert (choice.index, choice.rule) == want
        assert list(choice.others.values()) == [("not_best",)]


def test_nothing_eligible():
    assert choose([], []).index is None


# ---------------------------------------------------------------------- real files

needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not here")


@needs_real
@pytest.mark.parametrize(
    ("name", "want"),
    [
        (
            "nm_recon_tomo_heart_1993",
            {
                "voxel_size",
                "orientation_unknown",
                "attenuation_unknown",
                "not_iterative",
                "stress_unknown",
            },
        ),
        ("nm_static_planar_siemens", {"not_reconstructed"}),
        ("sc_labelled_nm_ge", {"sop_class"}),
        ("rtstruct_mim_7.0.3", {"sop_class"}),
    ],
)
def test_real_files_are_refused_for_what_they_are(name, want):
    assert set(inspect(REAL / f"{name}.dcm", SETTINGS).reasons) == want
