-- features belong to a study that was found
-- suite: features
-- consequence: quarantine
select judged.study_key,
from raw.feature_once as judged
anti join raw.study as study
    on judged.study_key = study.study_key
union
select judged.study_key,
from raw.feature_binned as judged
anti join raw.study as study
    on judged.study_key = study.study_key
