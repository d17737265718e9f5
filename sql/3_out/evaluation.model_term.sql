-- One row is one term (and level) of one model.
-- grain: model_key term level
-- checked: with raw.model_term
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
