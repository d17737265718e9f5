-- One row is one combined test over the outer runs.
-- grain: cohort_hash profile segment configuration test
-- checked: with raw.combined_test
-- A permutation p-value names its deals, by its Monte Carlo error sqrt(p (1 - p) / (deals + 1)); at
-- the floor no deal reached what was observed: a smaller p-value could not have come out.
with

dealt as (
    select
        *,
        case
            when p_error > 0
                then cast(round(p_value * (1 - p_value) / (p_error * p_error)) as bigint) - 1
        end as n_deals,
    from raw.combined_test
)

select
    cohort_hash,
    profile,
    segment,
    configuration,
    test,
    statistic,
    df,
    threshold,
    p_value,
    p_error,
    p_adjusted,
    n_valid,
    median_r,
    median_p,
    n_deals,
    coalesce(p_value * (n_deals + 1) < 1.5, false) as is_at_floor,
from dealt
