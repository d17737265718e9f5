-- One row is one expectation of one suite, as it was last checked.
-- grain: suite expectation
with checked as (
    select
        file.unit_key as suite,
        max(file."sequence") as last_sequence,
    from meta.manifest as file
    inner join meta.pointer as pointer
        on
            file.stage = pointer.stage
            and file.engine = pointer.engine
            and file.config = pointer.config
    where file.table_name = 'expectation_result' and file.is_current
    group by file.unit_key
),

-- Files of the table that were recorded after its check: nobody has looked at them yet.
later as (
    select
        file.table_name,
        checked.suite,
        count(distinct file.path) as n_files,
    from meta.manifest as file
    inner join checked
        on file."sequence" > checked.last_sequence
    inner join meta.pointer as pointer
        on
            file.stage = pointer.stage
            and file.engine = pointer.engine
            and file.config = pointer.config
    where file.is_current
    group by file.table_name, checked.suite
)

select
    judged.suite,
    judged.expectation,
    judged.table_name,
    judged.column_name,
    judged.consequence,
    judged.is_met,
    judged.says,
    judged.kind,
    judged.examples,
    judged."position",
    judged.n_rows,
    judged.n_unexpected,
    judged.n_units,
    coalesce(later.n_files, 0) as n_files_since,
    run.written_at as checked_at,
    run.code_version,
from raw.expectation_result as judged
inner join checked
    on judged.suite = checked.suite
inner join meta.run as run
    on checked.last_sequence = run."sequence"
left join later
    on
        judged.suite = later.suite
        and judged.table_name = later.table_name
