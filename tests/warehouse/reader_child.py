"""A reader that never pauses: argv = home, file that ends it. Prints one JSON line at the end."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from mpss_lib import open_warehouse

STATE = """
select
    (select sequence from meta.snapshot) as sequence,
    (select sum(n_rows) from meta.lineage where table_name = 'feature_binned') as n_promised,
    (select count(*) from feature.radiomics) as n_rows,
    (select count(distinct study_key) from feature.radiomics) as n_studies,
    (select count(*) from core.cohort_flow) as n_flow,
    (select count(*) from core.study) as n_named,
    (select sum(n_series_announced) from core.study) as sum_promised,
    (select sum(stat_mean) from feature.radiomics where segment = 'MYO' and bins = 4) as sum_once,
    (select sum(ih_entropy) from feature.radiomics where segment = 'MYO' and bins = 4) as sum_binned
"""


def main() -> None:
    root, stop = Path(sys.argv[1]), Path(sys.argv[2])
    n_queries, torn, sequences = 0, [], []
    while not stop.exists() or n_queries < 3:
        with closing(open_warehouse(root)) as connection:
            for _ in range(2):
                row = connection.execute(STATE).fetchone()
                n_queries += 1
                sequence, n_promised, n_rows, n_studies, n_flow, n_named, *sums = row
                is_whole = n_promised == n_rows == 56 * n_studies and n_flow == n_named
                if not (is_whole and sums[0] == sums[1] == sums[2]):
                    torn.append([str(value) for value in row])
                sequences.append(sequence)
    steps = pairwise(sequences)
    sys.stdout.write(
        json.dumps(
            {
                "queries": n_queries,
                "torn": torn,
                "versions": len(set(sequences)),
                "n_back": sum(later < earlier for earlier, later in steps),
            }
        )
    )


if __name__ == "__main__":
    main()
