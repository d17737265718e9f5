-- the ejection fraction of the gates, where it is sure, is the registry's within a limit
-- suite: clinical
-- consequence: warn
-- by: record_key
select
    clinical.record_key,
    ejection.lvef - clinical.lvef_registry as "value",
from core.clinical as clinical
inner join raw.ejection as ejection
    on clinical.study_key = ejection.study_key
where
    ejection.is_sure
    and abs(ejection.lvef - clinical.lvef_registry) > ${lvef_difference}
