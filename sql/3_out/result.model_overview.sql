-- One row is one segment and configuration of one cohort and profile: did it predict?
-- grain: cohort_hash profile segment configuration
with withdrawn as (
    -- A tombstone stands in the place of a member who was withdrawn.
    select distinct cohort_hash,
    from raw.cohort_member
    where starts_with(study_key, 'X')
),

overview as (
    select
        cohort_hash,
        profile,
        segment,
        configuration,
        count(*) as n_runs,
        count(*) filter (where is_valid) as n_valid,
        bool_or(is_underpowered) as is_underpowered,
        median(r) as median_r,
        quantile_cont(r, 0.25) as quartile_1_r,
        quantile_cont(r, 0.75) as quartile_3_r,
        median(p_value) as median_p,
        avg(n_terms) as mean_n_terms,
    from raw.split_result
    group by cohort_hash, profile, segment, configuration
)

select
    overview.*,
    withdrawn.cohort_hash is not null as has_withdrawn,
from overview
left join withdrawn
    on overview.cohort_hash = withdrawn.cohort_hash
