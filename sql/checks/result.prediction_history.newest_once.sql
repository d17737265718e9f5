-- a prediction was the newest of its study and cohort in one file at a time
-- suite: snapshot
-- consequence: stop
with several as (
    select
        file.engine,
        file.config,
        file."sequence",
        counted.study_key,
    from meta.manifest as file
    inner join meta.study_rows as counted
        on
            file.table_name = counted.table_name
            and file.path = counted.landing_path
    where file.table_name = 'prediction'
    group by file.engine, file.config, file."sequence", counted.study_key
    having count(*) > 1
)

select
    history.engine,
    history.config,
    history.valid_sequence,
    history.study_key,
    history.cohort_hash,
    history.segment,
    history.configuration,
    count(*) as n_rows,
from result.prediction_history as history
semi join several
    on
        history.engine = several.engine
        and history.config = several.config
        and history.valid_sequence = several."sequence"
        and history.study_key = several.study_key
group by
    history.engine,
    history.config,
    history.valid_sequence,
    history.study_key,
    history.cohort_hash,
    history.segment,
    history.configuration
having count(*) > 1
