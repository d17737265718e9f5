-- One row is one feature of the radiomics engine.
-- grain: sera_name
select *,
from ${feature_catalogue}
