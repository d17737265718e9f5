-- One row is one study or registry record that breaks one expectation, in one file.
-- grain: suite expectation study_key record_key content_sha256
select *,
from ${expectation_failure}
