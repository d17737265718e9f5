-- One row is one study, segment and configuration: the newest prediction, published settings.
-- grain: study_key segment configuration
-- checked: with meta.study_rows
select
    history.study_key,
    history.segment,
    history.configuration,
    history.profile,
    history.cohort_hash,
    history.berman_class,
    history.is_training_study,
    history.is_out_of_sample,
    history.reason,
    history.value,
    history.value_low,
    history.value_high,
    history.corrected_value,
    history.corrected_low,
    history.corrected_high,
    history.n_models,
    history.valid_from,
    history.engine,
    history.config,
    history.code_version,
from result.prediction_history as history
inner join meta.pointer as pointer
    on
        pointer.stage = 'publication'
        and history.engine = pointer.engine
        and history.config = pointer.config
where history.is_newest
qualify row_number() over (
    partition by history.study_key, history.segment, history.configuration
    order by history.valid_sequence desc, history.cohort_hash desc
) = 1
