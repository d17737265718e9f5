-- Accepted registry records that name no study, or more than one.
-- severity: report
select
    record_key,
    link,
from core.clinical
where study_key is null and link != 'no_study'
