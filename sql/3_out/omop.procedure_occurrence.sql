-- One row is one study with a stored series, as a procedure of OMOP's CDM 5.4.
-- grain: procedure_occurrence_id
-- checked: with core.image_key
select distinct
    image.procedure_occurrence_id,
    image.person_id,
    concept.concept_id as procedure_concept_id,
    image.study_date_shifted as procedure_date,
    -- Type concept: the hospital's own record.
    32817 as procedure_type_concept_id,
    image.study_key as procedure_source_value,
from core.image_key as image
inner join core.image_concept as concept
    on concept.kind = 'procedure' and concept."name" = 'MPS'
