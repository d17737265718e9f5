-- Accepted registry records with a value that no patient has.
-- severity: report
select
    record_key,
    age,
    bmi,
    lvef,
    cac_total,
from raw.clinical
where
    is_accepted
    and (
        age not between 0 and 120
        or bmi not between 8 and 100
        or lvef not between 1 and 100
        or cac_total < 0
    )
