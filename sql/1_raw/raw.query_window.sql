-- One row is one window that the archive was asked for.
-- grain: window_key
select *,
from ${query_window}
