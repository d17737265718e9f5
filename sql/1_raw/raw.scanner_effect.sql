-- One row is one chosen feature of a segment: what the scanner explains of it.
-- grain: cohort_hash profile segment feature
select *,
from ${scanner_effect}
