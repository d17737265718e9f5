-- One row is one step of the choice of features for one cohort and profile: how many features stay.
-- grain: cohort_hash profile step
select
    counted.cohort_hash,
    counted.profile,
    counted."position",
    counted.step,
    coalesce(cohort_frozen.is_latest, false) as is_latest,
    counted.n_patients,
    counted.n_before,
    counted.n_removed,
    counted.n_after,
    counted.n_paper,
    counted.note,
from raw.selection_count as counted
left join core.cohort_frozen as cohort_frozen
    on counted.cohort_hash = cohort_frozen.cohort_hash
