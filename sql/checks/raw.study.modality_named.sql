-- the archive named a modality
-- suite: study
-- consequence: quarantine
select study_key,
from raw.study
where len(modalities) = 0
