-- What was predicted for a study, and how did that change from run to run? Here: every study.
select
    study_key,
    segment,
    configuration,
    value,
    value_low,
    value_high,
    berman_class,
    valid_from,
    valid_to,
    code_version,
from result.prediction_history
order by study_key, segment, configuration, valid_from
