-- One row is one prediction that may be shown: neither its study nor its file is held back.
-- grain: lake_path cohort_hash study_key segment configuration
-- stored: view
-- checked: with meta.study_rows
select prediction.*,
from raw.prediction as prediction
anti join quality.held_back as held_back
    on
        prediction.study_key = held_back.study_key
        and held_back.is_study_held_back
anti join quality.prediction_withheld as withheld
    on prediction.lake_path = withheld.lake_path
