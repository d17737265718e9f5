-- One row is one segment and configuration evaluated with one seed of the splits: Fisher's X.
-- grain: cohort_hash profile segment configuration seed
-- checked: with raw.split_seed
select
    cohort_hash,
    profile,
    segment,
    configuration,
    seed,
    n_valid,
    fisher,
    mean_r,
    median_r,
from raw.split_seed
