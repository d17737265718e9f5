-- One row is one threshold of probability: net benefit, or the difference of two configurations.
-- grain: cohort_hash profile segment configuration compared_with event threshold
select *,
from ${decision_curve}
