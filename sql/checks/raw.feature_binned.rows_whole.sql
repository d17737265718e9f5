-- a row of a study for each of 7 segments at every grey level
-- suite: features
-- consequence: quarantine
with studies as (
    select study_key,
    from raw.feature_once
    union
    select study_key,
    from raw.feature_binned
),

counted as (
    select
        study_key,
        count(*) as n_rows,
        list_sort(list(distinct bins)) as levels,
    from raw.feature_binned
    group by study_key
),

segments as (
    select count(*) as n_segments,
    from core.segment
)

select
    studies.study_key,
    coalesce(counted.n_rows, 0) as "value",
from studies
cross join segments
left join counted
    on studies.study_key = counted.study_key
where
    coalesce(counted.n_rows, 0) != segments.n_segments * len(${bins})
    or counted.levels is distinct from list_sort(${bins})
