-- One row is one structure set or segmentation object of a study, and why it was used or not.
-- grain: study_key object_key
-- checked: with raw.contour_object
select
    study_key,
    object_key,
    kind,
    origin,
    is_usable,
    is_used,
    reasons,
    problem,
    regions,
    n_unknown,
from raw.contour_object
