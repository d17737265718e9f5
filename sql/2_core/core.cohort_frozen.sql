-- One row is one frozen cohort.
-- grain: cohort_hash
with members as (
    select
        cohort_hash,
        count(*) as n_studies,
        count(distinct patient_key) as n_patients,
        count(*) filter (where starts_with(study_key, 'X')) as n_withdrawn,
    from raw.cohort_member
    group by cohort_hash
),

files as (
    select
        unit_key as cohort_hash,
        min(sequence) as first_sequence,
        max(sequence) as last_sequence,
    from meta.manifest
    where table_name = 'cohort_member'
    group by unit_key
)

select
    members.cohort_hash,
    files.last_sequence = max(files.last_sequence) over () as is_latest,
    members.n_studies,
    members.n_patients,
    members.n_withdrawn,
    run.written_at as first_frozen_at,
    run.code_version,
from members
inner join files
    on members.cohort_hash = files.cohort_hash
inner join meta.run as run
    on files.first_sequence = run.sequence
