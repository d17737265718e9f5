-- no chosen feature owes 14 % or more of its variance to the scanner (after the clinical terms)
-- suite: features
-- consequence: warn
select
    cohort_hash,
    profile,
    segment,
    feature,
    epsilon_squared as "value",
from raw.scanner_effect
where
    epsilon_squared >= 0.14
    and p_adjusted <= 0.05
