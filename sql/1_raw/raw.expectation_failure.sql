-- One row is one study or registry record that breaks one expectation.
-- grain: suite expectation study_key record_key
select *,
from ${expectation_failure}
