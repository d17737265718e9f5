-- One row is one radiomic feature with its IBSI codes.
-- grain: feature
select
    sera_name as feature,
    "position",
    ibsi_code,
    family,
    family_code,
    aggregation,
    aggregation_code,
    human_name,
    unit,
    depends_on_bins,
from raw.feature_catalogue
