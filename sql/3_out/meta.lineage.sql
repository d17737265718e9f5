-- One row is one file that this snapshot shows: which engine, settings, code and input made it.
-- grain: table_name unit_key path
-- by: unit_key
select
    file.table_name,
    file.unit_key,
    file.stage,
    file.engine,
    file.config,
    file.input_digest,
    file.content_sha256,
    run.code_version,
    run.run_digest,
    file.n_rows,
    run.written_at as last_named_at,
    file.path,
from meta.manifest as file
inner join meta.pointer as pointer
    on
        file.stage = pointer.stage
        and file.engine = pointer.engine
        and file.config = pointer.config
inner join meta.run as run
    on file."sequence" = run."sequence"
where file.is_current
