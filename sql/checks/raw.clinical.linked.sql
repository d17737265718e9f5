-- accepted rows name one study, or none that was found
-- suite: clinical
-- consequence: warn
-- by: record_key
select
    record_key,
    link,
from core.clinical
where study_key is null and link != 'no_study'
