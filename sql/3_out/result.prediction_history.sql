-- One row is one prediction for the time in which it was the newest of its study.
-- grain: engine config valid_sequence study_key cohort_hash segment configuration
-- checked: with meta.study_rows
-- by: study_key
with events as (
    select
        engine,
        config,
        unit_key as study_key,
        path as lake_path,
        "sequence",
        lag(path) over (
            partition by engine, config, unit_key
            order by "sequence"
        ) as earlier_path,
    from meta.manifest
    where table_name = 'prediction'
),

-- A later batch that finds the same file in place changes nothing.
changes as (
    select
        events.engine,
        events.config,
        events.study_key,
        events.lake_path,
        events."sequence" as valid_sequence,
        run.written_at as valid_from,
        lead(run.written_at) over (
            partition by events.engine, events.config, events.study_key
            order by events."sequence"
        ) as valid_to,
        run.code_version,
        run.run_digest,
    from events
    inner join meta.run as run
        on events."sequence" = run."sequence"
    where events.earlier_path is distinct from events.lake_path
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
    changes.valid_from,
    changes.valid_to,
    changes.valid_to is null as is_newest,
    changes.valid_sequence,
    changes.engine,
    changes.config,
    changes.code_version,
    changes.run_digest,
    prediction.lake_path,
from result.prediction_shown as prediction
inner join changes
    on prediction.lake_path = changes.lake_path
