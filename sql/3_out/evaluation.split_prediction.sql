-- One row is one study in the test set of one outer run, with its prediction.
-- grain: cohort_hash profile segment configuration outer study_key
-- checked: with raw.split_prediction
select
    cohort_hash,
    profile,
    segment,
    configuration,
    "outer",
    study_key,
    "value",
    outcome,
from raw.split_prediction
