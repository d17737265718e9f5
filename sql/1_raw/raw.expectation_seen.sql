-- One row is one feature file whose rows the last check has seen, with those that break a rule.
-- grain: suite path
select *,
from ${expectation_seen}
