-- One row is one prediction as it was published, for one study and cohort.
-- grain: lake_path cohort_hash study_key segment configuration
select
    cohort_hash,
    study_key,
    segment,
    configuration,
    profile,
    value,
    value_low,
    value_high,
    n_models,
    berman_class,
    is_out_of_sample,
    reason,
    lake_path,
from ${prediction}
