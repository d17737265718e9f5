-- One row is one term (and level) of one model.
-- grain: model_key term level
select
    model_key,
    term,
    source,
    level,
    is_reference,
    coefficient,
    std_error,
    p_value,
from raw.model_term
