-- One row is one structure set or segmentation object of a study that segmentation looked at.
-- grain: study_key object_key
-- by: study_key
select *,
from ${contour_object}
