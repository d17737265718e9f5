"""A feature catalogue with the families and aggregations of the real one, and values for it."""

from __future__ import annotations

import numpy as np
import pytest

MATRICES = {
    "glcm": (
        25,
        ("2D_avg", "2D_slice_merged", "2.5D_dir_merged", "2.5D_merged", "3D_avg", "3D_merged"),
    ),
    "glrlm": (
        16,
        ("2D_avg", "2D_slice_merged", "2.5D_dir_merged", "2.5D_merged", "3D_avg", "3D_merged"),
    ),
    "glszm": (16, ("2D", "2.5D", "3D")),
    "gldzm": (16, ("2D", "2.5D", "3D")),
    "ngtdm": (5, ("2D", "2.5D", "3D")),
    "ngldm": (17, ("2D", "2.5D", "3D")),
}
PLAIN = {"morph": 29, "loc": 2, "stat": 18, "ih": 23, "ivh": 7}
ONCE = {"morph", "loc", "stat", "ivh"}


def make_catalogue() -> list[dict[str, object]]:
    rows = []
    for family, count in PLAIN.items():
        rows += [(family, "", k) for k in range(count)]
    for family, (count, aggregations) in MATRICES.items():
        rows += [(family, aggregation, k) for aggregation in aggregations for k in range(count)]
    return [
        {
            "position": position,
            "sera_name": f"{family}_{k:02d}_{aggregation}".replace(".", "_"),
            "ibsi_code": f"{family[:2]}{k:02d}".upper(),
            "family": family,
            "family_code": family.upper(),
            "aggregation": aggregation,
            "aggregation_code": aggregation,
            "human_name": f"{family} {k}",
            "unit": "",
            "depends_on_bins": family not in ONCE,
        }
        for position, (family, aggregation, k) in enumerate(rows, start=1)
    ]


@pytest.fixture(scope="session")
def catalogue() -> list[dict[str, object]]:
    return make_catalogue()


@pytest.fixture(scope="session")
def values(catalogue):
    """(patient, segment, bins, feature): planted constants, doubles, varieties, negative means."""
    rng = np.random.default_rng(7)
    n, segments, bins = 40, 2, (32, 64, 128)
    place = {row["sera_name"]: k for k, row in enumerate(catalogue)}
    out = 5.0 + rng.normal(size=(n, segments, len(bins), len(catalogue)))
    stable = 5.0 + rng.normal(size=(n, segments, 1, len(catalogue)))
    out = stable + 0.05 * (out - 5.0)
    for k, row in enumerate(catalogue):
        if not row["depends_on_bins"]:
            out[..., k] = out[:, :, :1, k]
        if row["aggregation"] == "3D_merged":
            twin = place[row["sera_name"].replace("merged", "avg")]
            out[..., k] = 1.0 + 0.9 * out[..., twin]
    for name in ("ih_00_", "ih_01_", "ih_02_", "ngldm_16_3D"):
        out[..., place[name]] = 3.0
    for k in range(3):
        out[..., place[f"gldzm_{k:02d}_3D"]] = out[..., place[f"glszm_{k:02d}_3D"]]
    for name in ("ih_03_", "ih_04_", "ih_05_", "glcm_00_3D_avg", "glcm_01_3D_avg"):
        twin = name.replace("avg", "merged")
        out[..., place[name]] -= 20.0
        out[..., place[twin]] = (
            out[..., place[twin]] - 18.0 if twin != name else out[..., place[name]]
        )
    return out
