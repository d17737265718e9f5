-- rows have reasons if and only if refused
-- suite: clinical
-- consequence: quarantine
-- by: record_key
select record_key,
from raw.clinical
where is_accepted = (len(reasons) > 0)
