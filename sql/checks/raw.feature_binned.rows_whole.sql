-- a study has a row for each of 7 segments at every grey level
-- suite: features
-- consequence: quarantine
with studies as (
    select study_key,
    from raw.feature_once
    union
    select study_key,
    from raw.feature_binned
)

select
    studies.study_key,
    count(binned.study_key) as "value",
from studies
left join raw.feature_binned as binned
    on studies.study_key = binned.study_key
group by studies.study_key
having
    count(binned.study_key) != (select count(*), from core.segment) * len(${bins})
    or list_sort(list(distinct binned.bins)) is distinct from list_sort(${bins})
