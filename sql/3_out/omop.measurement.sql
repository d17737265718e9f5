-- One row is one value of an image, as measurement of OMOP's CDM 5.4: image_feature points at it.
-- grain: measurement_id
-- checked: with meta.study_rows
select
    image.image_feature_id as measurement_id,
    image.person_id,
    concept.concept_id as measurement_concept_id,
    image.study_date_shifted as measurement_date,
    -- Type concept "Standard algorithm".
    32880 as measurement_type_concept_id,
    image."value" as value_as_number,
    cast(null as bigint) as unit_concept_id,
    image.measure as measurement_source_value,
    concept.unit as unit_source_value,
from core.image_value as image
inner join core.image_concept as concept
    on
        concept.kind = 'measure'
        and image.measure = concept."name"
        and image.bins = concept.bins
