-- One row is one artefact metric of one study.
-- grain: study_key metric
-- stored: view
-- checked: with meta.study_rows
select *,
from ${quality_metric}
