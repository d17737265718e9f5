-- Segments that have features of one kind and not of the other: no view shows them.
-- severity: report
select
    study_key,
    segment,
    has_no_once,
from quality.feature_unpaired
