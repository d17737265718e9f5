-- One row is one object of a fetched study, or one series left at the archive, and why.
-- grain: study_key series_key object_key
-- stored: view
-- by: study_key
select
    instance.study_key,
    instance.series_key,
    instance.object_key,
    instance.modality,
    instance.sop_class,
    instance.is_stored,
    coalesce(volume.is_chosen, false) as is_chosen,
    case
        when volume.is_chosen then 'chosen'
        when len(volume.reasons) > 0 then volume.reasons[1]
        when contours.is_used then 'contours_used'
        when len(contours.reasons) > 0 then contours.reasons[1]
        when instance.is_stored and instance.modality in ('RTSTRUCT', 'SEG') then 'contours'
        when volume.object_key is not null then 'left_without_reason'
        when not instance.is_stored then coalesce(nullif(instance.reason, ''), 'left_at_archive')
        when state.intake_status = 'quarantined' then 'intake_quarantined'
        when state.intake_status = 'missing' then 'intake_missing'
        else coalesce(nullif(instance.reason, ''), 'not_judged')
    end as reason,
    coalesce(volume.reasons, contours.reasons, []) as reasons,
    -- Figures and names, as the transfer syntax that is not decoded.
    coalesce(nullif(instance.detail, ''), contours.problem, '') as detail,
    volume.stress,
    volume.attenuation,
    volume.reconstruction,
    volume.orientation,
    instance.n_objects,
    instance.n_bytes,
from raw.instance as instance
left join raw.volume as volume
    on
        instance.study_key = volume.study_key
        and instance.object_key = volume.object_key
left join raw.contour_object as contours
    on
        instance.study_key = contours.study_key
        and instance.object_key = contours.object_key
left join core.study_state as state
    on instance.study_key = state.study_key
