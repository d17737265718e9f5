-- One row is one object of a fetched study, or one series that was left at the archive.
-- grain: study_key series_key object_key
select
    study_key,
    series_key,
    object_key,
    modality,
    sop_class,
    n_objects,
    is_stored,
    reason,
    path,
    n_bytes,
    content_sha256,
from ${instance}
