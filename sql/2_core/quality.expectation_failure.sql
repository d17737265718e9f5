-- One row is one expectation that one study or registry record breaks, in a file shown now.
-- grain: suite expectation study_key record_key
with current_files as (
    select
        file.table_name,
        file.unit_key,
        file.content_sha256,
        any_value(file.path) as lake_path,
    from meta.manifest as file
    inner join meta.pointer as pointer
        on
            file.stage = pointer.stage
            and file.engine = pointer.engine
            and file.config = pointer.config
    -- Only files that were found wanting: most often none, of every file of the lake.
    semi join raw.expectation_failure as failure
        on
            file.table_name = failure.table_name
            and file.unit_key = failure.unit_key
    where file.is_current
    group by file.table_name, file.unit_key, file.content_sha256
)

select
    failure.suite,
    failure.expectation,
    failure.study_key,
    failure.record_key,
    judged.consequence,
    failure.table_name,
    judged.says,
    failure.example,
    failure.n_rows,
    current_files.lake_path,
from raw.expectation_failure as failure
inner join raw.expectation_result as judged
    on
        failure.suite = judged.suite
        and failure.expectation = judged.expectation
-- A file that was made anew is no longer the one that was found wanting.
inner join current_files
    on
        failure.table_name = current_files.table_name
        and failure.unit_key = current_files.unit_key
        and failure.content_sha256 = current_files.content_sha256
