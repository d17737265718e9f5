-- Which rules do rows of the registry break, and how often?
with reasons as (
    select
        kind,
        unnest(reasons) as reason,
    from core.clinical_rejected
)

select
    kind,
    -- The rule stands before the colon; behind it, the values of one row.
    split_part(reason, ':', 1) as rule,
    count(*) as n_rows,
    min(reason) as example,
from reasons
group by kind, split_part(reason, ':', 1)
order by n_rows desc, kind asc, rule asc
