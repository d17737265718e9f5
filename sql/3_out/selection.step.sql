-- One row is one event of the choice of features for one cohort.
-- grain: cohort_hash step feature partner
select
    cohort_hash,
    step,
    position,
    feature,
    partner,
    reason,
    statistic,
from raw.selection_step
