-- Tables that were at fault when they were last checked: mend them, then `mpss warehouse check`.
-- severity: stop
select
    table_name,
    says,
    n_unexpected,
    examples,
from raw.expectation_result
where consequence = 'stop' and not is_met
