-- One row is one record of the clinical registry, accepted or not.
-- grain: record_key
select *,
from ${clinical}
