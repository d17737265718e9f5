"""MPSS platform: radiomics of myocardial perfusion stress SPECT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpss_lib.warehouse.reader import feature_matrix, open_warehouse

__all__ = ["feature_matrix", "open_warehouse"]


def __getattr__(name: str) -> Any:
    """Give the readers of the warehouse; they are imported when they are first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mpss_lib.warehouse import reader

    return getattr(reader, name)
