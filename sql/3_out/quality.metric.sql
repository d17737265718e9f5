-- One row is one artefact metric of one study, with its limits.
-- grain: study_key metric
-- checked: with meta.study_rows
select
    study_key,
    metric,
    flag,
    limits_version,
    value,
    review_low,
    review_high,
    hold_low,
    hold_high,
from raw.quality_metric
