-- One row is one artefact metric of one study.
-- grain: study_key metric
-- stored: view
select *,
from ${quality_metric}
