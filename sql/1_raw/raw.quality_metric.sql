-- One row is one artefact metric of one study.
-- grain: study_key metric
select
    study_key,
    metric,
    value,
    review_low,
    review_high,
    hold_low,
    hold_high,
    flag,
    limits_version,
from ${quality_metric}
