import json

from mpss_lib.config import Address, Config
from mpss_lib.radiomics import AsIs, FixedBinSize, Settings
from mpss_lib.radiomics.reporting import as_json, as_markdown, ensure_sheet, reporting_items
from mpss_lib.radiomics.stage import settings_of

ADDRESS = Address("1", "abc")


def values_of(items):
    return {(item.topic, item.item): item.value for item in items}


def test_platform_settings():
    config = Config()
    found = values_of(reporting_items(settings_of(config), config.radiomics.bins))
    assert found["Discretisation", "histogram and textures"] == (
        "fixed bin number: 4, 8, 16, 32, 64, 128, 256, 512"
    )
    assert found["Discretisation", "intensity-volume histogram"] == "fixed bin number: 1000"
    assert found["Image interpolation", "method"] == "none, original grid"
    assert found["Re-segmentation", "range of intensities"] == "none"
    assert found["Feature computation", "number of features"] == "487"


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
        "fixed bin size: 25 from range or region minimum",
        "[-500, 400]",
        "mean +- 3 standard deviations",
        "unchanged x 2 x 2",
        "cubic",
        "0.4",
        "nearest whole number",
        "2",
        "none, intensities are grey levels",
    } <= values


def test_both_forms_carry_the_address(lake):
    items = reporting_items(Settings())
    sheet = json.loads(as_json(items, ADDRESS))
    assert (sheet["engine"], sheet["config"]) == ("1", "abc")
    assert len(sheet["items"]) == len(items)
    assert "configuration abc" in as_markdown(items, ADDRESS)
    ensure_sheet(lake, ADDRESS, items)
    names = sorted(path.name for path in lake.root.rglob("radiomics.*"))
    assert names == ["radiomics.json", "radiomics.md"]
