-- One row is one file of predictions that broke an expectation when it was the newest: never shown.
-- grain: lake_path
select distinct file.path as lake_path,
from raw.expectation_failure as failure
inner join meta.manifest as file
    on
        failure.table_name = file.table_name
        and failure.unit_key = file.unit_key
        and failure.content_sha256 = file.content_sha256
left join raw.expectation_result as judged
    on
        failure.suite = judged.suite
        and failure.expectation = judged.expectation
where
    failure.suite = 'predictions'
    and file.table_name = 'prediction'
    -- A rule that is gone had judged what was replaced since.
    and coalesce(judged.consequence, 'quarantine') = 'quarantine'
