-- a code of a vocabulary stands for one concept of OMOP's tables
-- suite: snapshot
-- consequence: warn
select
    vocabulary_id,
    concept_code,
    count(*) as n_concepts,
from core.image_concept
group by vocabulary_id, concept_code
having count(*) > 1
