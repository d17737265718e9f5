-- One row is one outer run of the randomised evaluation.
-- grain: cohort_hash profile segment configuration outer
select
    cohort_hash,
    profile,
    segment,
    configuration,
    "outer",
    n_test,
    "inner",
    n_terms,
    r,
    p_value,
    is_valid,
    is_underpowered,
from ${split_result}
