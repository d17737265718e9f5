-- One row is one event of the choice of features for one cohort and profile.
-- grain: cohort_hash profile step feature partner
-- checked: with raw.selection_step
select
    cohort_hash,
    profile,
    step,
    position,
    feature,
    partner,
    reason,
    statistic,
from raw.selection_step
