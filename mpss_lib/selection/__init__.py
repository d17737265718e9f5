"""Selection: 487 x 8 features to some 50 at one grey level, blind to any outcome."""

from mpss_lib.selection.procedure import Selection, select

__all__ = ["Selection", "select"]
