-- One row is one study that pull fetched.
-- grain: study_key
select
    study_key,
    patient_key,
    accession_key,
    study_date_shifted,
    acquired_period,
    modalities,
    n_series_announced,
    n_objects_announced,
from ${study}
