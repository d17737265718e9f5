-- a table of reclassification counts every patient with a pooled prediction once
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
    cohort_hash,
    profile,
    segment,
    configuration,
    n_counted,
    n_patients,
from counted
left join patients using (cohort_hash, profile, segment, configuration)
where n_counted is distinct from n_patients
