-- One row is one study whose gates were looked for: what was measured in them, or why nothing.
-- grain: study_key
-- by: study_key
select *,
from ${ejection}
