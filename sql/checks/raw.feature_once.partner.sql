-- Segments that have features of one kind and not of the other.
-- severity: report
select distinct
    coalesce(once.study_key, binned.study_key) as study_key,
    coalesce(once.segment, binned.segment) as segment,
    once.study_key is null as has_no_once,
from raw.feature_once as once
full outer join raw.feature_binned as binned
    on
        once.study_key = binned.study_key
        and once.segment = binned.segment
where once.study_key is null or binned.study_key is null
