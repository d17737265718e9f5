-- One row is one stored series of a study: the whole numbers that OMOP wants in place of keys.
-- grain: study_key series_key
with series as (
    select
        instance.study_key,
        instance.series_key,
        study.patient_key,
        study.study_date_shifted,
        min(instance.modality) as modality,
    from raw.instance as instance
    inner join raw.study as study
        on instance.study_key = study.study_key
    where instance.is_stored and study.study_date_shifted is not null
    group by all
)

select
    study_key,
    series_key,
    patient_key,
    modality,
    -- By the order of the keys: a study more may change every number in the next snapshot.
    row_number() over (order by study_key, series_key) as image_occurrence_id,
    dense_rank() over (order by study_key) as procedure_occurrence_id,
    dense_rank() over (order by patient_key) as person_id,
    study_date_shifted,
from series
