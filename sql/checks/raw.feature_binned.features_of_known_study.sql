-- features belong to a study that was found
-- suite: features
-- consequence: quarantine
-- by: study_key
select judged.study_key,
from quality.feature_rows as judged
anti join raw.study as study
    on judged.study_key = study.study_key
