-- the Berman class is that of the value
-- suite: predictions
-- consequence: quarantine
-- by: study_key
with judged as (
    select
        study_key,
        segment,
        configuration,
        berman_class,
        case
            when "value" < ${no_calcium} then 0
            when "value" <= ${class_limits}[1] then 1
            when "value" <= ${class_limits}[2] then 2
            when "value" <= ${class_limits}[3] then 3
            else 4
        end as expected,
    from raw.prediction
)

select
    study_key,
    segment,
    configuration,
    berman_class as "value",
from judged
where berman_class != expected
