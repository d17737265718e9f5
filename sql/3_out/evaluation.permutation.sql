-- One row is one permutation of one combined test.
-- grain: cohort_hash profile segment configuration kind permutation
-- checked: with raw.permutation
select
    cohort_hash,
    profile,
    segment,
    configuration,
    kind,
    permutation,
    fisher,
    mean_r,
    pooled_rho,
from raw.permutation
