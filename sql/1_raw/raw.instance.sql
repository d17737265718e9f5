-- One row is one object of a fetched study, or one series that was left at the archive.
-- grain: study_key series_key object_key
-- stored: view
-- checked: with meta.study_rows
select *,
from ${instance}
