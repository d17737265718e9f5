-- Predictions for a study that the archive never named.
-- severity: report
select distinct prediction.study_key,
from raw.prediction as prediction
left join core.study as study
    on prediction.study_key = study.study_key
where study.study_key is null
