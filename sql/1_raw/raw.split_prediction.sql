-- One row is one study in the test set of one outer run, with its prediction.
-- grain: cohort_hash profile segment configuration outer study_key
select *,
from ${split_prediction}
