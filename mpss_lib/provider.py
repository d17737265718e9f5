"""Airflow provider entry point of this package: the connection type ``dicom``, and our assets."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Describe the provider; read by Airflow's providers manager, imports nothing of Airflow."""
    aet = {"schema": {"type": ["string", "null"], "maxLength": 16}}
    return {
        "package-name": "mpss-platform",
        "name": "MPSS",
        "description": "DICOM connections of the MPSS platform.",
        "versions": ["0.1.0"],
        "connection-types": [
            {
                "connection-type": "dicom",
                "hook-class-name": "mpss_airflow.dicom_hook.DicomHook",
                "hook-name": "DICOM peer",
                "conn-fields": {
                    "called_aet": {"label": "Called AE title (the PACS)", **aet},
                    "calling_aet": {"label": "Calling AE title (this platform)", **aet},
                },
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "login", "password"],
                    "relabeling": {"host": "PACS host", "port": "PACS port"},
                    "placeholders": {"host": "pacs.hospital.example", "port": "11112"},
                },
            }
        ],
        "asset-uris": [
            {
                "schemes": ["mpss"],
                "handler": None,  # an address is written in one way
                "to_openlineage_converter": "mpss_airflow.lineage.dataset_of",
            }
        ],
    }
