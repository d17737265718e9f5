-- One row is one study at one stage: what became of it last, with the published settings.
-- grain: study_key stage
-- stored: view
-- checked: with meta.quarantine
with published_units as (
    select
        unit.stage,
        unit.unit_key as study_key,
        unit.status,
        unit.reasons,
        unit.sequence,
    from meta.unit as unit
    inner join meta.pointer as pointer
        on
            unit.stage = pointer.stage
            and unit.engine = pointer.engine
            and unit.config = pointer.config
    where
        unit.stage in (
            'pull', 'intake', 'segmentation', 'quality', 'radiomics', 'gated', 'companions',
            'calcium', 'publication'
        )
        -- A window, a study that was only named, a registry import or a decision of a physician
        -- is no pass of a study through a stage.
        and not coalesce(
            len(unit.tables) > 0
            and list_has_all(
                [
                    'query_window', 'study', 'clinical', 'review', 'calcium_correction',
                    'feature_catalogue'
                ],
                unit.tables
            ),
            false
        )
),

last_units as (
    select
        stage,
        study_key,
        status,
        reasons,
    from published_units
    qualify row_number() over (partition by stage, study_key order by sequence desc) = 1
)

select
    coalesce(last_units.study_key, quarantine.study_key) as study_key,
    coalesce(last_units.stage, quarantine.stage) as stage,
    coalesce(last_units.status, 'quarantined') as status,
    coalesce(last_units.reasons, []) as reasons,
    quarantine.problem,
    quarantine.way_out,
    quarantine.tries,
from last_units
full outer join meta.quarantine as quarantine
    on
        last_units.study_key = quarantine.study_key
        and last_units.stage = quarantine.stage
