"""A phantom that costs nothing: a hollow sphere of noise on the grid of the real one."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mpss_lib.demo.studies import PhantomOrder
from mpss_lib.volume import Volume, make_affine


def hollow_sphere(order: PhantomOrder) -> tuple[Volume, Mapping[str, Any]]:
    rng = np.random.default_rng([order.seed, order.correction == "AC"])
    z, y, x = np.mgrid[0:12, 0:16, 0:16]
    radius = np.sqrt((z - 6.0) ** 2 + (y - 8.0) ** 2 + (x - 8.0) ** 2)
    array = rng.random((12, 16, 16)) * 10.0 + 100.0 * (np.abs(radius - 4.0) < 1.0)
    row, column = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)
    if order.orientation == "short_axis":
        row, column = (0.6, 0.8, 0.0), (0.48, -0.36, 0.8)
    affine = make_affine((-36.0, -36.0, -26.4), row, column, (4.8, 4.8, 4.8))
    return Volume(array, affine), {"artefact": order.artefact, "body_scale": order.body_scale}


def endless(_: PhantomOrder) -> tuple[Volume, Mapping[str, Any]]:
    """Say which process works on it, and never come back."""
    (Path(os.environ["STANDIN_PIDS"]) / str(os.getpid())).touch()
    time.sleep(3600)
    raise TimeoutError
