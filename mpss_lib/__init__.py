"""MPSS platform: radiomics of myocardial perfusion stress SPECT."""

from __future__ import annotations

import hashlib
import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpss_lib.calcium import calcium_score
    from mpss_lib.gated import ejection_fraction
    from mpss_lib.warehouse.reader import feature_matrix, open_warehouse
    from mpss_lib.warehouse.study_images import read_study

__all__ = [
    "calcium_score",
    "ejection_fraction",
    "feature_matrix",
    "open_warehouse",
    "read_study",
]

_HOMES = {
    "calcium_score": "mpss_lib.calcium",
    "ejection_fraction": "mpss_lib.gated",
    "feature_matrix": "mpss_lib.warehouse.reader",
    "open_warehouse": "mpss_lib.warehouse.reader",
    "read_study": "mpss_lib.warehouse.study_images",
}


def __getattr__(name: str) -> Any:
    """Give what notebooks call; it is imported when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def kernel_cache(package: Path, base: Path) -> Path:
    """Name the folder of the compiled kernels of exactly these sources.

    numba compiles a kernel anew when its own file has changed, and only then: after an upgrade in
    place, one that calls kernels of another file would go on as it was.

    Parameters
    ----------
    package : Path
        Folder whose ``*kernels.py`` are looked at, at any depth.
    base : Path
        Where the folder is; one that an outer process named by the same rule is replaced.

    Returns
    -------
    Path
        ``<base>/kernels-<digest of names and contents>``.
    """
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*kernels.py")):
        digest.update(path.relative_to(package).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    base = base.parent if base.name.startswith("kernels-") else base
    return base / f"kernels-{digest.hexdigest()[:16]}"


_PACKAGE = Path(__file__).parent
_BASE = Path(os.environ.get("NUMBA_CACHE_DIR") or _PACKAGE / "__pycache__")
os.environ["NUMBA_CACHE_DIR"] = str(kernel_cache(_PACKAGE, _BASE))
