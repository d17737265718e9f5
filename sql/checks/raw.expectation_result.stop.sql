-- no table was at fault when last checked: mend it, then `mpss warehouse check`
-- suite: snapshot
-- consequence: stop
select
    table_name,
    says,
    n_unexpected,
    examples,
from raw.expectation_result
where consequence = 'stop' and not is_met
