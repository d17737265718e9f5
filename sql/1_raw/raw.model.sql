-- One row is one winning model.
-- grain: model_key
select *,
from ${model}
