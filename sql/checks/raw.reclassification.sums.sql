-- a table of reclassification counts each patient with a pooled prediction, and those withdrawn
-- suite: snapshot
-- consequence: warn
with

patients as (
    select
        cohort_hash,
        profile,
        segment,
        configuration,
        count(*) as n_patients,
    from raw.pooled_prediction
    group by all
),

counted as (
    select
        cohort_hash,
        profile,
        segment,
        configuration,
        sum(n) as n_counted,
    from raw.reclassification
    group by all
)

select
    counted.cohort_hash,
    counted.profile,
    counted.segment,
    counted.configuration,
    counted.n_counted,
    patients.n_patients,
from counted
left join patients
    on
        counted.cohort_hash = patients.cohort_hash
        and counted.profile = patients.profile
        and counted.segment = patients.segment
        and counted.configuration = patients.configuration
left join core.cohort_frozen as frozen
    on counted.cohort_hash = frozen.cohort_hash
where
    counted.n_counted - coalesce(patients.n_patients, 0)
    not between 0 and coalesce(frozen.n_withdrawn, 0)
