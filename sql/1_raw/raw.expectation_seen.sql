-- One row is one file of features or studies that the last check has seen, and what broke a rule.
-- grain: suite path
select *,
from ${expectation_seen}
