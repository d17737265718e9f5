-- One row is one registry record that was refused, or that names no study exactly once.
-- grain: record_key
select
    record_key,
    patient_key,
    'refused' as kind,
    reasons,
    study_date_shifted,
from raw.clinical
where not is_accepted
union all
select
    record_key,
    patient_key,
    'not_linked' as kind,
    [link] as reasons,
    study_date_shifted,
from core.clinical
where study_key is null
