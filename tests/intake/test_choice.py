"""What an object is comes before which number it has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from nm_objects import HABITS, SERIES, SUBJECT, small_object, small_volume
from pydantic import ValidationError
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement

from mpss_lib.demo.nm_writing import nm_dataset
from mpss_lib.dicom import to_bytes
from mpss_lib.intake.candidate import REVIEW
from mpss_lib.intake.choice import choose, compare_series
from mpss_lib.intake.series import inspect
from mpss_lib.sections import IntakeSettings
from mpss_lib.volume import Volume

SHAPE = (40, 32, 32)
SHORT = {"row": (0.6, 0.8, 0.0), "column": (0.48, -0.36, 0.8)}


@pytest.fixture
def gate(tmp_path):
    def look(dataset):
        path = tmp_path / "object.dcm"
        path.write_bytes(to_bytes(dataset))
        return inspect(path, IntakeSettings())

    return look


def cut(volume: Volume, z=slice(None), y=slice(None), x=slice(None)) -> Volume:
    """Part of a volume, where it lay."""
    start = [one.indices(size)[0] for one, size in zip((z, y, x), volume.array.shape, strict=True)]
    affine = volume.affine.copy()
    affine[:3, 3] = (volume.affine @ [*start, 1.0])[:3]
    return Volume(np.ascontiguousarray(volume.array[z, y, x]), affine)


def blanked(
    volume: Volume, z=slice(None), y=slice(None), x=slice(None), fill: float = 0.0
) -> Volume:
    """The same matrix with counts in a part of it only."""
    array = np.full_like(volume.array, fill)
    array[z, y, x] = volume.array[z, y, x]
    return replace(volume, array=array)


def made(volume: Volume, number: int, **text: object):
    return small_object(volume, replace(SERIES, number=number, **text))


WHOLE = small_volume(SHAPE)
PARTS = {
    "3 slices": cut(WHOLE, z=slice(18, 21)),
    "half": cut(WHOLE, z=slice(0, 20)),
    "the other half": cut(WHOLE, z=slice(20, 40)),
    "cut out": cut(WHOLE, z=slice(8, 32), y=slice(4, 28), x=slice(4, 28)),
    "smaller matrix": cut(WHOLE, y=slice(8, 24), x=slice(8, 24)),
    "fewer columns": cut(WHOLE, x=slice(8, 24)),
    "blanked outside": blanked(WHOLE, z=slice(8, 32), y=slice(4, 28), x=slice(4, 28)),
    "lower half blank": blanked(WHOLE, z=slice(0, 20)),
    "filled with a count": blanked(WHOLE, z=slice(8, 32), y=slice(4, 28), x=slice(4, 28), fill=9.0),
    "every other slice blank": blanked(WHOLE, z=slice(0, None, 2)),
    "the middle blank": blanked(WHOLE, z=[*range(14), *range(26, 40)]),
    "one value": replace(WHOLE, array=np.full_like(WHOLE.array, 7.0)),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_later_part_never_replaces_the_whole(gate, name):
    seen = [gate(made(WHOLE, 3)), gate(made(PARTS[name], 9))]
    assert [one.reasons for one in seen] == [(), ()]
    for pair, best in ((seen, 0), (seen[::-1], 1)):
        choice = choose(pair, ["a", "b"])
        assert choice.index == best
        assert choice.rule in ("whole_first", "holds_heart_first")
        assert choice.looks == ()


def test_a_reprocessing_with_a_few_slices_less_is_the_latest(gate):
    later = replace(cut(WHOLE, z=slice(1, 39)), array=cut(WHOLE, z=slice(1, 39)).array * 0.9)
    choice = choose([gate(made(WHOLE, 3)), gate(made(later, 9))], ["a", "b"])
    assert (choice.index, choice.rule) == (1, "latest_series")


def test_share_of_the_whole_is_a_setting(gate):
    seen = [gate(made(WHOLE, 3)), gate(made(PARTS["half"], 9))]
    assert choose(seen, ["a", "b"], 0.5).index == 1


def test_an_uncorrected_volume_tells_what_the_whole_is(gate):
    """The only eligible one is taken, and a physician is told that it is a part."""
    nac = gate(made(WHOLE, 3, description="STRESS NAC OSEM", corrected=(), image_id=""))
    assert nac.reasons == ("not_attenuation_corrected",)
    choice = choose([nac, gate(made(PARTS["half"], 9))], ["a", "b"])
    assert (choice.index, choice.rule) == (1, "only_eligible")
    assert [one.rule for one in choice.looks] == ["smaller_than_another_volume"]
    assert choice.looks[0].answer == REVIEW


def test_three_slices_alone_are_told(gate):
    choice = choose([gate(made(PARTS["3 slices"], 9))], ["a"])
    assert [one.rule for one in choice.looks] == ["smaller_than_a_heart"]


def test_three_transaxial_slices_do_not_replace_a_short_axis_volume(gate):
    short = gate(made(small_volume((20, 32, 32), **SHORT), 3, view="short_axis"))
    assert short.reasons == ()
    choice = choose([gate(made(PARTS["3 slices"], 9)), short], ["a", "b"])
    assert (choice.index, choice.rule) == (1, "holds_heart_first")


def test_the_whole_gated_volume_comes_before_a_part_of_the_ungated(gate):
    volume = small_volume(SHAPE)
    whole = nm_dataset(volume, SUBJECT, SERIES, HABITS, gated=np.stack([volume.array] * 2))
    choice = choose([gate(made(PARTS["half"], 9)), gate(whole)], ["a", "b"])
    assert (choice.index, choice.rule) == (1, "whole_first")


def test_another_orientation_is_no_measure(gate):
    """A short-axis stack is cut to the heart by its nature."""
    short = gate(made(small_volume((20, 24, 24), **SHORT), 9, view="short_axis"))
    nac = gate(made(WHOLE, 3, description="STRESS NAC OSEM", corrected=(), image_id=""))
    choice = choose([nac, short], ["a", "b"])
    assert (choice.index, choice.looks) == (1, ())


def test_one_slice_per_object_is_refused_by_name(gate):
    seen = gate(made(cut(WHOLE, z=slice(5, 6)), 3))
    assert seen.reasons == ("single_slice",)


@pytest.mark.parametrize(
    ("kinds", "reason"),
    [
        (("DERIVED", "PRIMARY", "RECON TOMO", "EMISSION"), ""),
        (("ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION", "AC", "OSEM"), ""),
        (("derived", "primary", "recon_tomo", "emission"), ""),
        (("DERIVED", "PRIMARY", "RECON TOMO", "TRANSMISSION"), "not_emission"),
        (("ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION", "MUMAP"), "not_emission"),
        (("ORIGINAL", "PRIMARY", "RECON TOMO", "ATTENUATION_MAP"), "not_emission"),
        (("DERIVED", "PRIMARY", "RECON TOMO", "EMISSION", "SCREEN SAVE"), "not_emission"),
        (("DERIVED", "PRIMARY", "RECON TOMO", "EMISSION", "MIP"), "not_emission"),
        (("ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION", "SCATTER CORRECTED"), ""),
        (("ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION", "NO SCATTER"), ""),
        (("ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION", "SCATTER"), "not_emission"),
        (("DERIVED", "SECONDARY", "RECON TOMO", "EMISSION"), "not_primary"),
        (("DERIVED", "SECONDARY", "RECON GATED TOMO", "EMISSION"), "not_primary"),
        (("ORIGINAL", "PRIMARY", "TOMO", "EMISSION"), "not_reconstructed"),
        (("ORIGINAL", "PRIMARY", "GATED TOMO", "EMISSION"), "not_reconstructed"),
        (("ORIGINAL", "PRIMARY", "WHOLE BODY", "EMISSION"), "not_reconstructed"),
        (("ORIGINAL", "PRIMARY", "RECON STATIC", "EMISSION"), "not_reconstructed"),
        (("ORIGINAL", "PRIMARY", "RECONSTRUCTION", "EMISSION"), "not_reconstructed"),
        (("DERIVED", "PRIMARY", "", "EMISSION"), "not_reconstructed"),
        (("DERIVED", "PRIMARY"), "not_reconstructed"),
    ],
)
def test_every_value_of_image_type_is_read(gate, kinds, reason):
    dataset = small_object()
    dataset["ImageType"] = DataElement("ImageType", "CS", list(kinds), validation_mode=IGNORE)
    assert gate(dataset).reasons == ((reason,) if reason else ())


def flags(candidate) -> list[str]:
    return [one.rule for one in candidate.answers.values() if one.answer == REVIEW]


@pytest.mark.parametrize(
    "kinds",
    [("", "PRIMARY", "RECON TOMO", "EMISSION"), ("DERIVED", "PRIMARY", "RECON TOMO"),
     ("DERIVED", "OTHER", "RECON TOMO", "EMISSION"),
     ("DERIVED", "PRIMARY", "RECON TOMO", "SOMETHING")],
)  # fmt: skip
def test_a_value_outside_the_list_is_told(gate, kinds):
    dataset = small_object()
    dataset.ImageType = list(kinds)
    seen = gate(dataset)
    assert (seen.reasons, flags(seen)) == ((), ["image_type_not_listed"])


@pytest.mark.parametrize(
    ("value", "flag"),
    [("NAC", "attenuation_said_twice"), ("REST", "stress_said_twice"),
     ("FBP", "reconstruction_said_twice")],
)  # fmt: skip
def test_further_values_of_image_type_are_compared_with_the_texts(gate, value, flag):
    dataset = small_object()
    dataset.ImageType = ["DERIVED", "PRIMARY", "RECON TOMO", "EMISSION", value]
    seen = gate(dataset)
    assert (seen.reasons, flags(seen)) == ((), [flag])


def test_a_habit_of_the_stations_is_no_flag(tmp_path):
    path = tmp_path / "object.dcm"
    dataset = small_object()
    dataset.SliceThickness, dataset.ImageType = "9.6", ["DERIVED", "PRIMARY", "RECON TOMO"]
    path.write_bytes(to_bytes(dataset))
    assert flags(inspect(path, IntakeSettings())) == ["image_type_not_listed", "spacing_said_twice"]
    seen = inspect(path, IntakeSettings(known_differences=("spacing_said_twice",)))
    assert flags(seen) == ["image_type_not_listed"]
    assert seen.answers["look_spacing_said_twice"].answer == "known"
    with pytest.raises(ValidationError):  # another volume is no habit
        IntakeSettings(known_differences=("kind_said_twice",))


def test_numbers_of_one_series_are_compared(gate):
    seen = [gate(made(WHOLE, 3)), gate(made(WHOLE, 4)), gate(made(WHOLE, 7))]
    told = compare_series(seen, ["s1", "s1", "s2"])
    assert [flags(one) for one in told] == [["series_number_said_twice"]] * 2 + [[]]


@pytest.mark.parametrize(
    "text",
    ["STRESS AC MAP OSEM", "STRESS AC mu-map OSEM", "STRESS AC Transmission OSEM",
     "STRESS AC OSEM MIP",
     "STRESS AC OSEM DIFFERENCE", "STRESS AC OSEM PolarMap", "STRESS AC OSEM umaps",
     "STRESS minus REST AC OSEM", "Belastung minus Ruhe AC OSEM", "STRESS AC OSEM LOCALIZER",
     "STRESS AC OSEM mask", "STRESS AC OSEM Subtraktion", "effort AC OSEM carte d'atténuation",
     "Belastung AC OSEM Schwächungskarte"],
)  # fmt: skip
def test_a_text_that_names_another_thing_never_replaces_the_volume(gate, text):
    """A map of the attenuation is as large as the volume, and comes later."""
    other = gate(made(replace(WHOLE, array=np.sqrt(WHOLE.array)), 9, description=text))
    assert (other.reasons, flags(other)) == ((), ["kind_said_twice"])
    choice = choose([gate(made(WHOLE, 3)), other], ["a", "b"])
    assert (choice.index, choice.rule) == (0, "one_kind_first")


def test_a_text_that_tells_how_it_was_made_names_nothing_else(gate):
    for text in ("SCATTER MAPPED CT", "SCATTER SUBTRACTED", "SUBTRACTED SCATTER"):
        assert flags(gate(made(WHOLE, 3, description=f"STRESS AC OSEM {text}"))) == []
