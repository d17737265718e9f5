import json

from mpss_lib.config import Address, Config
from mpss_lib.radiomics import IBSI_CONFIGURATIONS, AsIs, FixedBinSize, Settings
from mpss_lib.radiomics.reporting import as_json, as_markdown, ensure_sheet, reporting_items
from mpss_lib.radiomics.stage import settings_of

ADDRESS = Address("1", "abc")


def values_of(items):
    return {(item.topic, item.item): item.value for item in items}


def test_platform_settings():
    config = Config()
    found = values_of(reporting_items(settings_of(config), config.radiomics.bins))
    assert found["Discretisation", "histogram and textures: bins"] == (
        "4, 8, 16, 32, 64, 128, 256, 512"
    )
    assert found["Discretisation", "intensity-volume histogram: bins"] == "1000"
    assert found["Image and mask interpolation", "method"] == "none, original grid"
    assert found["Re-segmentation", "range of intensities"] == "none"
    assert found["Features", "features"].startswith("487;")


def test_every_setting_is_reported():
    settings = Settings(
        discretisation=FixedBinSize(25.0),
        resegment_range=(-500.0, 400.0),
        outlier_sigma=3.0,
        resample_mm=(None, 2.0, 2.0),
        image_interpolation="cubic",
        mask_threshold=0.4,
        round_intensities=True,
        slice_axis=2,
        ivh=AsIs(),
    )
    values = set(values_of(reporting_items(settings)).values())
    assert {
        "fixed bin size",
        "25",
        "-500",
        "[-500, 400]",
        "beyond mean +- 3 standard deviations",
        "unchanged x 2 x 2",
        "cubic spline, in the slice or line only",
        "0.4",
        "nearest whole number, halves to even",
        "axis 2 of the array (z, y, x)",
        "none, intensities are levels",
    } <= values


def test_lowest_intensity_of_a_fixed_bin_size_is_said():
    name = "Discretisation", "histogram and textures: lowest intensity of the first bin"
    for how, limits, wanted in (
        (FixedBinSize(25.0, lowest=-7.0), (-500.0, 400.0), "-7"),
        (FixedBinSize(25.0), (0.0, float("inf")), "0"),
        (FixedBinSize(25.0), (float("-inf"), 9.0), "smallest intensity of each region"),
        (FixedBinSize(25.0), None, "smallest intensity of each region"),
    ):
        settings = Settings(discretisation=how, resegment_range=limits)
        assert values_of(reporting_items(settings))[name] == wanted


def test_items_of_the_guideline_that_the_engine_decides_are_there_once():
    # Items of the manual's tables "Image interpolation" to "texture parameters".
    found = [item.number for item in reporting_items(IBSI_CONFIGURATIONS["C"])]
    interpolation = {"41", "50a", "50b", "50c", "50d", "51", "52", "53", "54"}
    others = {"40", "55", "56a", "56b", "56c", *map(str, range(57, 72))} - {"60"}
    assert set(found) - {""} == interpolation | others
    assert len({(i.topic, i.item) for i in reporting_items(Settings())}) == len(
        reporting_items(Settings())
    )


def test_both_forms_carry_the_address(lake):
    items = reporting_items(Settings())
    sheet = json.loads(as_json(items, ADDRESS))
    assert (sheet["engine"], sheet["config"]) == ("1", "abc")
    assert len(sheet["items"]) == len(items)
    text = as_markdown(items, ADDRESS)
    assert "configuration abc" in text
    assert "the study reports them" in text
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert widths == {5}
    ensure_sheet(lake, ADDRESS, items)
    names = sorted(path.name for path in lake.root.rglob("radiomics.*"))
    assert names == ["radiomics.json", "radiomics.md"]
