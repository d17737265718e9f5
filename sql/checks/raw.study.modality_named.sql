-- the archive named a modality
-- suite: study
-- consequence: quarantine
-- by: study_key
select study_key,
from raw.study
where len(modalities) = 0
