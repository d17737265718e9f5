-- a study has 21 predictions: 7 segments x 3 configurations
-- suite: predictions
-- consequence: quarantine
-- by: study_key
select
    study_key,
    count(*) as "value",
from raw.prediction
group by study_key, lake_path
having count(*) != 21
