-- numbers of the choice of features sum, and follow the step before
-- suite: snapshot
-- consequence: warn
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
