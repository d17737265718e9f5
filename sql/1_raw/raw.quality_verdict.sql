-- One row is one study with its quality verdict.
-- grain: study_key
select *,
from ${quality_verdict}
