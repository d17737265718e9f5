-- One row is one term (and level) of one model.
-- grain: model_key term level
select *,
from ${model_term}
