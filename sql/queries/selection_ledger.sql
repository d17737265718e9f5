-- How did 487 features become those of the latest cohort, and what did the paper keep?
select
    profile,
    "position",
    step,
    n_before,
    n_removed,
    n_after,
    n_paper,
from selection.ledger
where is_latest
order by profile, "position"
