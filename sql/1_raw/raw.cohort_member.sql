-- One row is one study of one frozen cohort.
-- grain: cohort_hash study_key
select
    cohort_hash,
    study_key,
    patient_key,
from ${cohort_member}
