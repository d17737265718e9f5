-- One row is one feature of the radiomics engine.
-- grain: sera_name
select
    position,
    sera_name,
    ibsi_code,
    family,
    family_code,
    aggregation,
    aggregation_code,
    human_name,
    unit,
    depends_on_bins,
from ${feature_catalogue}
