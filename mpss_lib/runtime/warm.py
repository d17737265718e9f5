"""Compile every kernel of the chain once; numba keeps the result on disk, and in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpss_lib.volume import Volume


def compile_kernels() -> None:
    """Run each engine on its smallest real case.

    A bare ventricle is segmented and one of its segments measured, a null cohort is evaluated.
    """
    import numpy as np

    from mpss_lib.evaluation import evaluate
    from mpss_lib.radiomics import extract_many
    from mpss_lib.segmentation import segment

    volume = bare_ventricle()
    masks = {"LAD3": segment(volume).seven["LAD3"].array}
    extract_many(volume.array, masks, volume.spacing_mm, bins=(4,))
    rng = np.random.default_rng(1)
    columns = {f"x{i}": rng.normal(size=50) for i in range(3)}
    sex = np.array(["F", "M"])[rng.integers(0, 2, size=50)]
    evaluate(columns, {"sex": sex, "age": rng.normal(size=50)}, rng.normal(size=50))


def bare_ventricle() -> Volume:
    """Half an ellipsoid with a wall, where a supine patient has the left ventricle.

    Returns
    -------
    Volume
    """
    import numpy as np

    from mpss_lib.volume import Volume, make_affine

    n, voxel_mm = 48, 4.8
    start = (-voxel_mm * n / 2,) * 3
    affine = make_affine(start, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (voxel_mm,) * 3)
    z, y, x = np.indices((n, n, n)) * voxel_mm + start[0]
    axis = np.array([0.6, -0.6, -0.53])  # to the left, to the front, down
    along = axis[0] * x + axis[1] * y + axis[2] * z
    across = np.sqrt(np.maximum(x**2 + y**2 + z**2 - along**2, 0.0))
    depth = np.hypot(along / 55.0, across / 30.0) - 1.0  # 0 in the middle of the wall
    counts = 20.0 + 400.0 * np.exp(-((depth / 0.18) ** 2)) * (along > -25.0)
    return Volume(counts, affine)
