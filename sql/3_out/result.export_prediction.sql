-- One row is one study, segment and configuration as the results database shows it.
-- grain: study_key segment configuration
-- checked: with meta.study_rows
select
    latest.study_key,
    latest.segment,
    latest.configuration,
    predictable.is_predictable as is_current,
    predictable.reason as left_reason,
    latest.profile,
    latest.cohort_hash,
    latest.berman_class,
    latest.is_training_study,
    latest.is_out_of_sample,
    latest.reason as no_value_reason,
    latest.value,
    latest.value_low,
    latest.value_high,
    latest.corrected_value,
    latest.corrected_low,
    latest.corrected_high,
    latest.n_models,
    latest.valid_from as predicted_at,
    latest.engine,
    latest.config,
    latest.code_version,
from result.prediction_latest as latest
inner join core.predictable as predictable
    on latest.study_key = predictable.study_key
