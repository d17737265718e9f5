-- One row is one study that broken expectations keep out of the published views.
-- grain: study_key
with named as (
    select
        suite,
        expectation,
        study_key,
        says,
        n_rows,
    from quality.expectation_failure
    where consequence = 'quarantine' and study_key != ''
    union all
    select
        failure.suite,
        failure.expectation,
        candidate.study_key,
        failure.says,
        failure.n_rows,
    from quality.expectation_failure as failure
    inner join core.clinical_candidate as candidate
        on failure.record_key = candidate.record_key
    where failure.consequence = 'quarantine' and failure.study_key = ''
)

select
    study_key,
    list_sort(list_distinct(list(suite))) as suites,
    -- A bad prediction is held back itself; if it took its study out of the cohort, then the
    -- models would choose who they are made from.
    bool_or(suite != 'predictions') as is_study_held_back,
    arg_min(
        expectation || ': ' || says,
        (suite = 'predictions')::varchar || suite || expectation
    ) as problem,
    count(distinct expectation) as n_expectations,
    sum(n_rows) as n_rows,
from named
group by study_key
