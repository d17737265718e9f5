-- What is missing in accepted rows of the registry, or was computed from their other values?
with flags as (
    select
        study_key,
        unnest(flags) as flag,
    from core.clinical
    where study_key is not null
)

select
    split_part(flag, ':', 1) as flag,
    count(*) as n_studies,
from flags
group by split_part(flag, ':', 1)
order by n_studies desc, flag asc
