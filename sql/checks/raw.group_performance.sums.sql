-- the groups of a grouping are the patients with a pooled prediction, and those withdrawn since
-- suite: snapshot
-- consequence: warn
with pooled as (
    select
        cohort_hash,
        profile,
        segment,
        count(distinct study_key) as n_patients,
    from raw.pooled_prediction
    group by cohort_hash, profile, segment
),

grouped as (
    select
        cohort_hash,
        profile,
        segment,
        grouping,
        sum(n) as n_grouped,
    from raw.group_performance
    where configuration = 'combined' and compared_with = '' and measure = 'spearman'
    group by cohort_hash, profile, segment, grouping
)

select
    grouped.cohort_hash,
    grouped.profile,
    grouped.segment,
    grouped.grouping,
from grouped
inner join pooled
    on
        grouped.cohort_hash = pooled.cohort_hash
        and grouped.profile = pooled.profile
        and grouped.segment = pooled.segment
left join core.cohort_frozen as frozen
    on grouped.cohort_hash = frozen.cohort_hash
where
    grouped.n_grouped - pooled.n_patients
    not between 0 and coalesce(frozen.n_withdrawn, 0)
