-- One row is one stage in one run: its batch tasks and their counts.
-- grain: run_digest stage engine config
select
    run_digest,
    stage,
    engine,
    config,
    count(*) as n_tasks,
    sum(n_given) as n_given,
    sum(n_done) as n_done,
    sum(n_skipped) as n_skipped,
    sum(n_rejected) as n_rejected,
    sum(n_quarantined) as n_quarantined,
    sum(n_rows) as n_rows,
    min(written_at) as first_written_at,
    max(written_at) as last_written_at,
    date_diff('millisecond', min(written_at), max(written_at)) / 1000.0 as seconds_between,
from meta.run
group by run_digest, stage, engine, config
