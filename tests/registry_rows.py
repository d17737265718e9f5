"""A row of a clinical registry that breaks no rule."""

from __future__ import annotations

GOOD = {
    "patient_id": "HOSP-00001",
    "accession_number": "ACC0000001",
    "study_date": "2026-03-02",
    "cac_date": "2026-03-20",
    "reading": "normal",
    "sex": "F",
    "race": "White",
    "age": 61,
    "height_m": 1.7,
    "weight_kg": 72.25,
    "bmi": 25.0,
    "lvef": 62,
    "smoking": 0,
    "diabetes": 1,
    "hypertension": 0,
    "hyperlipidemia": 0,
    "family_history": 1,
    "stress_agent": "adenosine",
    "cac_total": 110.5,
    "cac_lm": 0.5,
    "cac_lad": 60,
    "cac_lcx": 20,
    "cac_rca": 30,
    "birth_date": "1964-05-20",
}
