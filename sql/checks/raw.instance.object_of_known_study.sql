-- objects belong to a study that was found
-- suite: study
-- consequence: quarantine
-- by: study_key
select
    judged.study_key,
    judged.series_key,
    judged.object_key,
from raw.instance as judged
anti join raw.study as study
    on judged.study_key = study.study_key
