-- What did each run do, stage by stage?
select
    batch.first_written_at,
    batch.run_digest,
    batch.stage,
    batch.n_tasks,
    batch.n_given,
    batch.n_done,
    batch.n_skipped,
    batch.n_rejected,
    batch.n_quarantined,
    batch.seconds_between,
from meta.batch as batch
inner join meta.pointer as pointer
    on batch.stage = pointer.stage
order by batch.first_written_at, pointer."position"
