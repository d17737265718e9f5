"""A reader that never pauses: argv = home, file that ends it. Prints one JSON line at the end."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path

from mpss_lib import open_warehouse

STATE = """
select
    (select sequence from meta.snapshot) as sequence,
    (select sum(n_rows) from meta.lineage where table_name = 'feature_binned') as n_promised,
    (select count(*) from feature.radiomics) as n_rows,
    (select count(distinct study_key) from feature.radiomics) as n_studies,
    (select count(*) from core.cohort_flow) as n_flow,
    (select count(*) from core.study) as n_named
"""


def main() -> None:
    root, stop = Path(sys.argv[1]), Path(sys.argv[2])
    n_queries, torn, sequences = 0, [], []
    while not stop.exists() or n_queries < 3:
        with closing(open_warehouse(root)) as connection:
            for _ in range(2):
                row = connection.execute(STATE).fetchone()
                n_queries += 1
                sequence, promised, n_rows, n_studies, n_flow, n_named = row
                if not (promised == n_rows == 56 * n_studies and n_flow == n_named):
                    torn.append(row)
                sequences.append(sequence)
    sys.stdout.write(
        json.dumps(
            {
                "queries": n_queries,
                "torn": torn,
                "versions": len(set(sequences)),
                "went_back": sequences != sorted(sequences),
            }
        )
    )


if __name__ == "__main__":
    main()
