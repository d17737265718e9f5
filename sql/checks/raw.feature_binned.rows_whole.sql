-- a study has a row for each of 7 segments at every grey level
-- suite: features
-- consequence: quarantine
-- by: study_key
select
    study_key,
    n_binned as "value",
from quality.feature_rows
where
    n_binned != (select count(*), from core.segment) * len(${bins})
    or levels is distinct from list_sort(${bins})
