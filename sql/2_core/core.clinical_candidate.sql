-- One row is one registry record and one study that it may belong to.
-- grain: record_key study_key
-- by: study_key
with records as (
    select
        record_key,
        patient_key,
        nullif(accession_key, '') as accession_key,
        study_date_shifted,
    from raw.clinical
),

by_accession as (
    select
        records.record_key,
        study.study_key,
        'accession' as link,
        study.patient_key = records.patient_key as is_same_patient,
    from records
    inner join core.study as study
        on records.accession_key = study.accession_key
),

by_date as (
    select
        records.record_key,
        study.study_key,
        'patient_and_date' as link,
        true as is_same_patient,
    from records
    inner join core.study as study
        on
            records.patient_key = study.patient_key
            and records.study_date_shifted = study.study_date_shifted
    anti join by_accession
        on records.record_key = by_accession.record_key
)

select
    record_key,
    study_key,
    link,
    coalesce(is_same_patient, false) as is_same_patient,
from by_accession
union all
select
    record_key,
    study_key,
    link,
    is_same_patient,
from by_date
