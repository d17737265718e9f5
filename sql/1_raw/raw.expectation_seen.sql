-- One row is one file that the last check of a suite has seen, and what broke a rule in it.
-- grain: suite path
select *,
from ${expectation_seen}
