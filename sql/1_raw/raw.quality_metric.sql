-- One row is one artefact metric of one study.
-- grain: study_key metric
select *,
from ${quality_metric}
