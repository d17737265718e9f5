"""A person is found by whatever identifier the archive holds, in whatever writing."""

from __future__ import annotations

import json

import pytest

from mpss_lib.pull.archive.answers import StudyAnswer
from mpss_lib.pull.vault import Vault
from mpss_lib.pull.window import identity_of
from mpss_lib.purge import traces
from mpss_lib.purge.subject import key_of, subject_of
from mpss_lib.tables import Lake

ODD = ("HOSP\\0001", "0012*4?", "MÜLLER-77", "患者-１２３４", "12345\t6", "O'NEIL-88", 'A"B\\C-99')


def answer_of(patient_id):
    fields = dict.fromkeys(StudyAnswer.__dataclass_fields__, "")
    fields |= {"study_uid": "1.2.3.4", "patient_id": patient_id, "modalities": ("NM",)}
    return StudyAnswer(**fields | {"n_series": 1, "n_objects": 1})


@pytest.mark.parametrize("patient_id", ODD)
def test_an_odd_identifier_is_found(tmp_path, config, patient_id):
    vault, lake = Vault(tmp_path / "vault.sqlite"), Lake(tmp_path / "lake")
    identity = identity_of(answer_of(patient_id), vault, config)
    vault.remember_studies([identity])
    key = key_of({"PatientID": f" {patient_id} "}, vault, config)
    assert key == identity.patient_key
    found = subject_of(key, lake, vault)
    assert found.study_keys == (identity.study_key,)
    matcher = traces.Matcher(found.traces)
    texts = (
        patient_id,
        json.dumps({"id": patient_id}),
        json.dumps({"id": patient_id}, ensure_ascii=False),
        repr({"id": patient_id}),
    )
    for text in texts:
        assert traces.PATIENT_ID in matcher.kinds(text.encode()), text
