-- volumes that were left say why
-- suite: study
-- consequence: quarantine
-- by: study_key
select
    study_key,
    object_key,
from raw.volume
where not is_chosen and len(reasons) = 0
