-- One row is one study with its quality verdict.
-- grain: study_key
-- by: study_key
select *,
from ${quality_verdict}
