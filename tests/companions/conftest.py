"""A hospital with a patient who has a perfusion study, and reports and CTs beside it."""

from __future__ import annotations

import pytest
from calcium_reports import PATIENT
from ct_objects import SPECT

from mpss_lib.archive_sections import ArchiveSettings
from mpss_lib.config import Config, Sites
from mpss_lib.demo.archive import Archive
from mpss_lib.pull.vault import Identity, Vault


@pytest.fixture
def config():
    asked = {"calcium_reports": True, "calcium_ct": True, "attenuation_ct": True}
    return Config.model_validate({"companions": asked})


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path / "pacs")


@pytest.fixture
def sites(archive, tmp_path):
    with archive.serve(aet="HOSPITAL", allowed_aets=["MPSS"]) as server:
        told = {"port": server.port, "called_aet": "HOSPITAL", "calling_aet": "MPSS"}
        yield Sites(
            vault=tmp_path / "vault.sqlite",
            staging=tmp_path / "staging",
            archive=ArchiveSettings.model_validate(told),
        )


@pytest.fixture
def study_key(sites):
    """Key of the perfusion study of 18 November, as if it had been found."""
    vault = Vault(sites.vault)
    key = vault.study_key(SPECT)
    vault.remember_studies(
        [
            Identity(
                study_key=key,
                study_uid=SPECT,
                patient_key=vault.patient_key(PATIENT),
                accession_key="",
                patient_id=PATIENT,
                issuer="",
                patient_name="Phantom^Seventeen",
                birth_date="",
                accession_number="ACC-0815",
                study_date="20261118",
                study_time="080000",
            )
        ]
    )
    return key
