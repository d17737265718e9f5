-- Studies that are held back although the archive never named them.
-- severity: report
select
    held_back.study_key,
    held_back.problem,
from quality.held_back as held_back
left join core.study as study
    on held_back.study_key = study.study_key
where study.study_key is null
