-- Studies whose features are not whole: a segment or a number of grey levels is absent.
-- severity: report
with levels as (
    select count(distinct bins) as n_levels,
    from raw.feature_binned
),

expected as (
    select levels.n_levels * count(*) as n_rows,
    from core.segment
    cross join levels
    group by levels.n_levels
)

select
    binned.study_key,
    count(*) as n_rows,
    any_value(expected.n_rows) as n_expected,
from raw.feature_binned as binned
cross join expected
group by binned.study_key
having count(*) != any_value(expected.n_rows)
