-- One row is one region of a study whose given masks were compared with the automatic ones.
-- grain: study_key segment
select *,
from ${segmentation_agreement}
