-- One row is one threshold of probability: net benefit, or the difference of two configurations.
-- grain: cohort_hash profile segment configuration compared_with event threshold
-- checked: with raw.decision_curve
select
    cohort_hash,
    profile,
    segment,
    configuration,
    compared_with,
    event,
    threshold,
    net_benefit,
    low,
    high,
from raw.decision_curve
