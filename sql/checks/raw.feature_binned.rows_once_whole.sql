-- a study has a row for each of 7 segments of the features that need no grey levels
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
    count(once.study_key) as "value",
from studies
left join raw.feature_once as once
    on studies.study_key = once.study_key
group by studies.study_key
having count(once.study_key) != (select count(*), from core.segment)
