-- One row is one of the 17 segments of one study whose gates were measured: how its wall thickens.
-- grain: study_key segment
-- checked: with meta.study_rows
select
    segment.study_key,
    segment.segment,
    ejection.is_sure,
    segment.thickening,
from raw.ejection_segment as segment
inner join raw.ejection as ejection
    on segment.study_key = ejection.study_key
