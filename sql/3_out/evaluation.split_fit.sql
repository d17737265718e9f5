-- One row is one inner fit of the randomised evaluation.
-- grain: cohort_hash profile segment configuration outer inner
-- checked: with raw.split_fit
select
    cohort_hash,
    profile,
    segment,
    configuration,
    "outer",
    "inner",
    state,
    is_valid,
    is_winner,
    n_train,
    n_dev,
    n_screened,
    train_terms,
    terms,
    coefficient_names,
    coefficients,
    aic,
    llf,
from raw.split_fit
