-- an intraclass correlation lies in its interval, and is 1 at most
-- suite: snapshot
-- consequence: warn
select
    cohort_hash,
    family,
    segment,
    bins,
    feature,
from raw.feature_stability
where
    icc1 not between icc1_low and icc1_high
    or icc3 not between icc3_low and icc3_high
    or greatest(icc1_high, icc3_high) > 1.0
    or (icc1 is null) != (icc1_low is null)
