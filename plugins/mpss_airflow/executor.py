"""The executor of a home on one machine: its workers are forked with the stages loaded.

Airflow's LocalExecutor forks a worker for each slot as the scheduler starts, and every task from
its worker. What is imported and compiled before, no task imports, reads or compiles again: the
libraries of the stages cost more CPU than most tasks do. Code is read when the scheduler starts;
after an upgrade it is started anew (`mpss up`).
"""

from __future__ import annotations

import logging
from importlib import import_module

from airflow.executors.local_executor import LocalExecutor

LATE = (
    "matplotlib.backends.backend_agg",
    "matplotlib.collections",
    "matplotlib.colors",
    "matplotlib.figure",
    "mpss_lib.warehouse.expectations.checking",
    "mpss_lib.warehouse.expectations.consequences",
    "mpss_lib.warehouse.expectations.engine",
    "mpss_lib.warehouse.expectations.page",
    "pandas",
    "pydicom.sr._concepts_dict",
    "pydicom.sr._snomed_dict",
    "scipy.ndimage",
    "scipy.signal",
    "scipy.spatial",
    "scipy.spatial.transform",
    "scipy.special",
    "scipy.stats",
    "skimage.measure",
    "sklearn.linear_model",
)
"""Modules that the stages import when they need them, which is in every night."""


class PreloadingExecutor(LocalExecutor):  # type: ignore[misc] -- Airflow has no types here
    """LocalExecutor; ``CORE__EXECUTOR`` of a home names it."""

    def start(self) -> None:
        """Load the stages, then fork the workers."""
        preload()
        super().start()


def preload(*, with_kernels: bool = True) -> None:
    """Import what tasks import, and load or compile the kernels."""
    from mpss_lib.config import STAGES
    from mpss_lib.runtime.side_by_side import this_version
    from mpss_lib.runtime.warm import compile_kernels

    logging.getLogger("great_expectations").setLevel(logging.WARNING)  # it tells each function
    for name in (*(f"mpss_lib.{stage}.stage" for stage in STAGES), *LATE):
        import_module(name)
    this_version()  # records name the code that was loaded, not what lies on the disk later
    if with_kernels:
        compile_kernels()
