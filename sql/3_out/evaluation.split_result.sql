-- One row is one outer run of the randomised evaluation.
-- grain: cohort_hash profile segment configuration outer
-- checked: with raw.split_result
select
    cohort_hash,
    profile,
    segment,
    configuration,
    "outer",
    "inner",
    is_valid,
    is_underpowered,
    n_test,
    n_terms,
    r,
    p_value,
from raw.split_result
