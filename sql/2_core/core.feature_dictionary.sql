-- One row is one radiomic feature with its IBSI codes and the values that it can have.
-- grain: feature
select
    catalogue.sera_name as feature,
    catalogue."position",
    catalogue.ibsi_code,
    catalogue.family,
    catalogue.family_code,
    catalogue.aggregation,
    catalogue.aggregation_code,
    catalogue.human_name,
    catalogue.unit,
    catalogue.depends_on_bins,
    bounds.valid_min,
    bounds.valid_max,
    coalesce(bounds.valid_scale, '1') as valid_scale,
from raw.feature_catalogue as catalogue
left join core.feature_range as bounds
    on catalogue.ibsi_code = bounds.ibsi_code
