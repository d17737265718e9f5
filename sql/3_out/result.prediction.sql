-- One row is one published prediction, whenever it was made and with whatever settings.
-- grain: engine config lake_path study_key cohort_hash segment configuration
-- checked: with meta.study_rows
with first_times as (
    select
        path as lake_path,
        engine,
        config,
        min("sequence") as first_sequence,
    from meta.manifest
    where table_name = 'prediction'
    group by path, engine, config
)

select
    prediction.study_key,
    prediction.cohort_hash,
    prediction.segment,
    prediction.configuration,
    prediction.profile,
    prediction.berman_class,
    prediction.is_training_study,
    prediction.is_out_of_sample,
    prediction.reason,
    prediction.value,
    prediction.value_low,
    prediction.value_high,
    prediction.corrected_value,
    prediction.corrected_low,
    prediction.corrected_high,
    prediction.n_models,
    run.written_at as first_published_at,
    first_times.engine,
    first_times.config,
    run.code_version,
    prediction.lake_path,
from result.prediction_shown as prediction
inner join first_times
    on prediction.lake_path = first_times.lake_path
inner join meta.run as run
    on first_times.first_sequence = run."sequence"
