-- One row is one study with its quality verdict.
-- grain: study_key
-- checked: with raw.quality_verdict
select
    study_key,
    verdict,
    flags,
    not_assessable,
from raw.quality_verdict
