-- One row is one study with an ejection fraction: of the registry, of its gates, and which counts.
-- grain: study_key
with registry as (
    select
        study_key,
        lvef_registry,
        lvef,
        lvef_from,
    from core.clinical
    where study_key is not null
),

gated as (
    select
        study_key,
        is_sure,
        flags,
        lvef,
        lvef_sd,
    from raw.ejection
    where state = 'measured'
)

select
    coalesce(registry.study_key, gated.study_key) as study_key,
    coalesce(registry.lvef_from, '') as lvef_from,
    gated.is_sure,
    gated.flags,
    registry.lvef,
    registry.lvef_registry,
    gated.lvef as lvef_gated,
    gated.lvef_sd,
    gated.lvef - registry.lvef_registry as lvef_difference,
from registry
full outer join gated
    on registry.study_key = gated.study_key
where coalesce(registry.lvef_registry, gated.lvef) is not null
