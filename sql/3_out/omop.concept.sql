-- One row is one concept of this site that the OMOP tables name; OMOP's own are not repeated.
-- grain: concept_id
select
    concept_id,
    concept_name,
    domain_id,
    vocabulary_id,
    concept_class_id,
    cast(null as varchar) as standard_concept,
    concept_code,
    date '1970-01-01' as valid_start_date,
    date '2099-12-31' as valid_end_date,
    cast(null as varchar) as invalid_reason,
from core.image_concept
