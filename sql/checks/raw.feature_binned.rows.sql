-- Studies whose features are not whole: a segment or a number of grey levels is absent.
-- severity: report
with shown as (
    select
        study_key,
        levels,
        n_rows,
    from meta.feature_rows
    where table_name = 'feature_binned' and is_shown
),

level_lists as (
    select distinct levels,
    from shown
),

n_levels as (
    select len(list_distinct(flatten(list(levels)))) as n_levels,
    from level_lists
),

expected as (
    select n_levels.n_levels * count(*) as n_rows,
    from core.segment
    cross join n_levels
    group by n_levels.n_levels
)

select
    shown.study_key,
    sum(shown.n_rows) as n_rows,
    any_value(expected.n_rows) as n_expected,
from shown
cross join expected
group by shown.study_key
having sum(shown.n_rows) != any_value(expected.n_rows)
