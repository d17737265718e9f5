-- One row is one study that the archive named, fetched or not.
-- grain: study_key
-- by: study_key
with objects as (
    select
        study_key,
        count(*) filter (where is_stored) as n_objects_stored,
        sum(n_bytes) filter (where is_stored) as n_bytes_stored,
    from raw.instance
    group by study_key
),

chosen as (
    select
        study_key,
        manufacturer,
        model as scanner_model,
    from raw.volume
    where is_chosen
    qualify row_number() over (partition by study_key order by object_key) = 1
)

select
    study.study_key,
    study.patient_key,
    nullif(study.accession_key, '') as accession_key,
    objects.study_key is not null as is_fetched,
    study.acquired_period,
    chosen.manufacturer,
    chosen.scanner_model,
    study.modalities,
    study.n_series_announced,
    study.n_objects_announced,
    coalesce(objects.n_objects_stored, 0) as n_objects_stored,
    coalesce(objects.n_bytes_stored, 0) as n_bytes_stored,
    study.study_date_shifted,
from raw.study as study
left join objects
    on study.study_key = objects.study_key
left join chosen
    on study.study_key = chosen.study_key
