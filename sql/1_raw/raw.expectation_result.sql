-- One row is one expectation of one suite, as it was last checked.
-- grain: suite expectation
select *,
from ${expectation_result}
