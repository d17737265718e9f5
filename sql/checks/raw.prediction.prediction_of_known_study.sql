-- predictions belong to a study that was found
-- suite: predictions
-- consequence: quarantine
-- by: study_key
select distinct judged.study_key,
from raw.prediction as judged
anti join raw.study as study
    on judged.study_key = study.study_key
