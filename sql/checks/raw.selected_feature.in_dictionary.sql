-- the dictionary knows every chosen feature
-- suite: snapshot
-- consequence: warn
select
    cohort_hash,
    profile,
    feature,
from selection.selected_feature
where ibsi_code is null
