-- a study has a row for each of 7 segments of the features that need no grey levels
-- suite: features
-- consequence: quarantine
-- by: study_key
select
    study_key,
    n_once as "value",
from quality.feature_rows
where n_once != (select count(*), from core.segment)
