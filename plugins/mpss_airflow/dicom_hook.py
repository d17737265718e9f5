"""Airflow connection type ``dicom``: address and AE titles of a PACS; its test is a C-ECHO."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseHook


class DicomHook(BaseHook):
    """A DICOM peer as an Airflow connection."""

    conn_name_attr = "dicom_conn_id"
    default_conn_name = "mpss_pacs"
    conn_type = "dicom"
    hook_name = "DICOM peer"

    def __init__(self, dicom_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dicom_conn_id = dicom_conn_id

    def test_connection(self) -> tuple[bool, str]:
        """C-ECHO to the peer: (True, status) or (False, what is wrong and the way out)."""
        from mpss_airflow.home import connected_home
        from mpss_lib.errors import MpssError
        from mpss_lib.pull.archive.session import echo

        home = connected_home(self.dicom_conn_id)
        try:
            echo(home.sites)
        except MpssError as error:
            return False, str(error)
        return True, "C-ECHO status 0x0000"
