"""Every table that a paper may hold, by its name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mpss_lib.papers import dicom, network
from mpss_lib.papers.tables import Table

TABLES: Mapping[str, Table] = MappingProxyType(
    {
        "requested-contexts": dicom.requested_contexts,
        "companion-contexts": dicom.companion_contexts,
        "written-classes": dicom.written_classes,
        "accepted-contexts": dicom.accepted_contexts,
        "transfer-syntaxes": dicom.transfer_syntaxes,
        "find-keys": dicom.find_keys,
        "statuses": dicom.statuses,
        "store-statuses": dicom.store_statuses,
        "limits": dicom.limits,
        "tls": dicom.tls,
        "listening": network.listening_table,
        "calling": network.calling_table,
        "logged": network.logged,
    }
)
