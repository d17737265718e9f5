-- One row is one record of the clinical registry, accepted or not.
-- grain: record_key
-- stored: view
-- by: record_key
select *,
from ${clinical}
