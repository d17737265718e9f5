-- a study whose gates were measured has its volumes, one that was not has none
-- suite: study
-- consequence: warn
-- by: study_key
select
    study_key,
    state,
from raw.ejection
where
    case
        when state = 'measured' then edv_ml is null or esv_ml is null or edv_ml < esv_ml
        else lvef is not null or edv_ml is not null or is_sure
    end
