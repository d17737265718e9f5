-- a row of a table that is read in place is there once, with its whole key, in one of its files
-- suite: snapshot
-- consequence: stop
select
    table_name,
    landing_path,
    study_key,
    count(*) as n_files,
    sum(n_rows) as n_rows,
    sum(n_keys) as n_keys,
from meta.study_rows
where is_shown
group by table_name, landing_path, study_key
having count(*) > 1 or sum(n_rows) != sum(n_keys) or study_key is null
