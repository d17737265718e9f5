-- a source of calcium has a total or a reason, and one of its kind counts at most
-- suite: study
-- consequence: warn
-- by: study_key
select
    study_key,
    source_key,
    state,
from raw.calcium_source
qualify
    case
        when state = 'unusable' then is_counted or total is not null or reason = ''
        when is_counted then total is null or reason != '' or kind = 'attenuation_ct'
        else reason = ''
    end
    or (is_counted and count(*) filter (where is_counted) over (partition by study_key, kind) > 1)
