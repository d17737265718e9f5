-- One row is one feature chosen for one cohort.
-- grain: cohort_hash feature
select
    cohort_hash,
    feature,
    bins,
    position,
from ${selected_feature}
