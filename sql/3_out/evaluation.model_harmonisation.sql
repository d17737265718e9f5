-- One row is one feature of one model, as it is harmonised for one scanner.
-- grain: model_key scanner term
-- checked: with raw.model_harmonisation
select
    model_key,
    scanner,
    term,
    factor,
    "offset",
    covariates,
    weights,
from raw.model_harmonisation
