-- One row is one study that the archive named.
-- grain: study_key
-- by: study_key
select *,
from ${study}
