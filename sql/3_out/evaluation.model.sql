-- One row is one winning model.
-- grain: model_key
select
    model_key,
    cohort_hash,
    profile,
    segment,
    configuration,
    "outer",
    "inner",
    bins,
    outcome_transform,
    n_train,
    intercept,
    test_studies,
    residuals,
from raw.model
