-- Which studies wait for a physician, and which flags brought them there?
select
    study_key,
    verdict,
    array_to_string(flags, ', ') as flags,
    acquired_period,
from quality.awaiting_review
order by study_key
