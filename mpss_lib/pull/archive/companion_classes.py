"""SOP classes of what lies beside a study: CTs and structured reports.

They are asked for by ``companions`` alone, in associations of its own; the receiver of C-MOVE
takes them always, and keeps what was asked for.
"""

from __future__ import annotations

from pydicom.uid import (
    UID,
    BasicTextSRStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    CTImageStorage,
    EnhancedSRStorage,
)

REPORT_CLASSES: tuple[UID, ...] = (
    *(BasicTextSRStorage, EnhancedSRStorage, ComprehensiveSRStorage, Comprehensive3DSRStorage),
)
COMPANION_CLASSES: tuple[UID, ...] = (CTImageStorage, *REPORT_CLASSES)
