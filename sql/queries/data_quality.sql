-- Which expectations are broken, what follows, and how many studies or records are concerned?
select
    suite,
    expectation,
    consequence,
    says,
    n_units,
    n_unexpected,
    n_rows,
    checked_at,
from quality.expectation_result
where not is_met
order by suite, "position"
