-- Steps of the choice of features whose numbers do not sum, or do not follow the step before.
-- severity: report
select
    cohort_hash,
    profile,
    step,
    n_before,
    n_removed,
    n_after,
from raw.selection_count
qualify
    n_before - n_removed != n_after
    or n_before != lag(n_after, 1, n_before) over (
        partition by cohort_hash, profile
        order by "position"
    )
