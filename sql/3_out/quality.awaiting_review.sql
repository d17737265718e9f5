-- One row is one study that waits for a physician.
-- grain: study_key
-- checked: with quality.board
select
    study_key,
    patient_key,
    verdict,
    flags,
    segmentation_flags,
    last_decision,
    last_reason,
    n_readers,
    acquired_period,
from quality.board
where is_awaiting_review
