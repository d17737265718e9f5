-- One row is one study that the archive named.
-- grain: study_key
select *,
from ${study}
