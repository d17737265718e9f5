-- One row is one region of one study: how far given masks and automatic ones agree.
-- grain: study_key segment
select
    agreement.study_key,
    agreement.segment,
    segmentation.masks_from,
    used.kind,
    used.origin,
    agreement.dice,
    agreement.volume_ratio,
    agreement.distance_mm,
    agreement.given_ml,
    agreement.automatic_ml,
from raw.segmentation_agreement as agreement
left join raw.segmentation as segmentation
    on agreement.study_key = segmentation.study_key
left join raw.contour_object as used
    on
        segmentation.study_key = used.study_key
        and segmentation.contours_key = used.object_key
