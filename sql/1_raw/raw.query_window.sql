-- One row is one window that the archive was asked for.
-- grain: window_key
select
    window_key,
    n_days,
    n_returned,
    n_new,
    n_grown,
from ${query_window}
