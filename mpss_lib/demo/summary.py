"""What the demo shows at its end, read from the published snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from mpss_lib.config import AS_PUBLISHED, CONFIGURATIONS
from mpss_lib.demo.clinical import SIGNALS
from mpss_lib.evaluation import paper
from mpss_lib.evaluation.table_three import PAPER, pattern_here
from mpss_lib.sections import SEGMENTS
from mpss_lib.tables import Lake
from mpss_lib.warehouse.reader import rows

PAPER_SIZE = 428

FLOW = """
select stage, reason, description, n_studies as studies, n_left as "left"
from core.cohort_flow_summary
where n_studies > 0
order by "position"
"""
LEDGER = """
select step, n_before as before, n_removed as removed, n_after as after, n_paper as "paper's"
from selection.ledger
where is_latest and profile = 'as_published'
order by position
"""
FISHER = """
select segment, configuration, statistic, threshold, p_value, median_r, n_valid
from evaluation.combined_test
where test = 'fisher' and profile = 'as_published'
"""
TESTS = """
select profile, segment, configuration, test, statistic, threshold, p_value
from evaluation.combined_test
inner join core.cohort_frozen using (cohort_hash)
where is_latest
"""
CONDITIONAL = """
select segment, p_value
from evaluation.combined_test
inner join core.cohort_frozen using (cohort_hash)
where is_latest and profile = 'corrected' and test = 'conditional_mean_r' and p_value is not null
"""
LEVEL = 0.05
PREDICTIONS = """
select
    study_key as study,
    segment,
    configuration,
    "value" as "mean",
    value_low as "min",
    value_high as "max",
    n_models as models,
    berman_class as "Berman class"
from result.prediction_latest
where segment = 'MYO' and "value" is not null
order by study_key, configuration
limit 6
"""
SIZES = """
select
    (select count(*) from core.cohort) as cohort,
    (select count(*) from result.prediction_latest) as predictions
"""


def print_summary(
    lake: Lake, asked: tuple[int, str], seconds: Mapping[str, float], console: Console
) -> None:
    """Print cohort flow, selection ledger, Fisher table, first predictions, place and times.

    ``asked``: patients, and what was planted into their images.
    """
    patients, signal = asked
    show(console, "Cohort flow: every study that the PACS returned, once", rows(lake, FLOW))
    show(console, "Selection ledger, blind to the outcome", rows(lake, LEDGER))
    _fisher(lake, console)
    _pattern(lake, signal, console)
    size = rows(lake, SIZES)[0]
    if patients < PAPER_SIZE:
        console.print(
            f"With {size['cohort']} patients in the cohort this shows the machinery and proves"
            " nothing (every test set is far too small)."
            f" The paper's size: [bold]make demo PATIENTS={PAPER_SIZE}"
            f" MPSS_HOME={lake.root.parent.parent}/.mpss-{PAPER_SIZE}[/]",
            soft_wrap=True,
        )
    show(
        console, f"First of {size['predictions']} predictions (CAC score)", rows(lake, PREDICTIONS)
    )
    console.print(f"Warehouse: {lake.snapshot}", soft_wrap=True)
    console.print('Ask it: mpss sql "select * from result.prediction_latest limit 5"')
    times = ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items())
    console.print(f"Time: {times}; together {sum(seconds.values()):.0f} s")
    console.print("Research use only; not a medical device.")


def _fisher(lake: Lake, console: Console) -> None:
    found = {(row["segment"], row["configuration"]): row for row in rows(lake, FISHER)}
    if not found:
        console.print("Fisher table: no evaluation in the snapshot")
        return
    first = next(iter(found.values()))
    table = Table(
        title=f"Fisher's X by segment (significant at .01 above {first['threshold']:.2f};"
        " median r in brackets)",
        box=SIMPLE,
        padding=(0, 0, 0, 1),
    )
    for name in ("terms", *SEGMENTS):
        table.add_column(name, justify="left" if name == "terms" else "right", no_wrap=True)
    for configuration in CONFIGURATIONS:
        cells = [found.get((segment, configuration)) for segment in SEGMENTS]
        table.add_row(configuration, *(_fisher_cell(cell) for cell in cells))
        table.add_row("  paper", *(_paper_cell(configuration, name) for name in SEGMENTS))
    console.print(table)


def _paper_cell(configuration: str, segment: str) -> str:
    x = paper.FISHER[configuration][segment]
    return f"[bold]{x:.1f}[/]" if x > paper.FISHER_LIMIT else f"{x:.1f}"


def _pattern(lake: Lake, signal: str, console: Console) -> None:
    """Say what was planted, what is found, and what the paper found."""
    console.print(f"Planted into the images ({signal}): {SIGNALS[signal].told()}", soft_wrap=True)
    here = pattern_here(rows(lake, TESTS), AS_PUBLISHED)
    if here is not None:
        console.print(f"Table 3 here: {here.told()}.", soft_wrap=True)
        console.print(f"The paper's:  {PAPER.told()}.", soft_wrap=True)
    found = rows(lake, CONDITIONAL)
    if found:
        n = sum(row["p_value"] <= LEVEL for row in found)
        console.print(
            f"Radiomics add to the clinical terms in {n} of {len(found)} segments at {LEVEL}"
            f" (conditional test; chance gives {LEVEL * len(found):.2g}).",
            soft_wrap=True,
        )


def _fisher_cell(row: Mapping[str, Any] | None) -> str:
    if row is None or row["statistic"] is None:
        return "-"
    text = f"{row['statistic']:.1f} ({_number(row['median_r'])})"
    return f"[bold]{text}[/]" if row["statistic"] > row["threshold"] else text


def show(console: Console, title: str, found: Sequence[Mapping[str, Any]]) -> None:
    """Print rows as a table."""
    if not found:
        console.print(f"{title}: no rows")
        return
    table = Table(title=title)
    for name, value in found[0].items():
        table.add_column(name, justify="right" if isinstance(value, int | float) else "left")
    for row in found:
        table.add_row(*(_number(value) for value in row.values()))
    console.print(table)


def _number(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
