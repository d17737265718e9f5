-- One row is one feature of one model, as it is harmonised for one scanner.
-- grain: model_key scanner term
select *,
from ${model_harmonisation}
