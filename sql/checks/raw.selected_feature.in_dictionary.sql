-- Chosen features that the dictionary does not know.
-- severity: report
select
    cohort_hash,
    profile,
    feature,
from selection.selected_feature
where ibsi_code is null
