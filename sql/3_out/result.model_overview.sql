-- One row is one segment and configuration of one cohort and profile: did it predict?
-- grain: cohort_hash profile segment configuration
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
