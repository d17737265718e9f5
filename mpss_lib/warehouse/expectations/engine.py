"""Great Expectations, asked: rules in, findings out. Importing this module costs seconds.

Its context lives in memory: nothing is written to the working folder or the user's home, and
nothing is sent. Warnings of its own imports are not ours to mend and are kept quiet.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from logging import WARNING, getLogger
from typing import TYPE_CHECKING, Any

from mpss_lib.errors import PlatformFaultError
from mpss_lib.warehouse.expectations.features import Dictionary, broken_rows
from mpss_lib.warehouse.expectations.rules import Finding, Rule

os.environ["GX_ANALYTICS_ENABLED"] = "False"  # read when the package is imported

getLogger("great_expectations").setLevel(WARNING)  # its own steps are none of ours

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import great_expectations as gx
    from great_expectations import expectations as gxe
    from great_expectations.core.metric_domain_types import MetricDomainTypes
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )
    from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
    from great_expectations.expectations.expectation import BatchExpectation
    from great_expectations.expectations.metrics.metric_provider import metric_value
    from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider

if TYPE_CHECKING:
    import pandas as pd

METRIC, SQL_METRIC = "table.mpss_feature_rows", "table.mpss_sql_rows"
DICTIONARY, RUN = "dictionary", "run"

Run = Callable[[str], list[dict[str, Any]]]
"""Gives the rows of a query."""


class FeatureRows(TableMetricProvider):
    """Rows of a feature table that break each aspect: worked out once for all expectations."""

    metric_name = METRIC

    @metric_value(engine=PandasExecutionEngine)
    def _pandas(cls, execution_engine: Any, metric_domain_kwargs: Any, **_: Any) -> Any:  # noqa: N805
        frame = _frame(execution_engine, metric_domain_kwargs)
        return broken_rows(frame, frame.attrs[DICTIONARY])


class SqlRows(TableMetricProvider):
    """Rows that a query over the lake gives."""

    metric_name = SQL_METRIC
    value_keys = ("sql",)

    @metric_value(engine=PandasExecutionEngine)
    def _pandas(cls, execution_engine: Any, metric_domain_kwargs: Any, **given: Any) -> Any:  # noqa: N805
        frame = _frame(execution_engine, metric_domain_kwargs)
        return frame.attrs[RUN](given["metric_value_kwargs"]["sql"])


def _frame(execution_engine: Any, domain: Any) -> Any:
    """Give the whole frame of a batch."""
    return execution_engine.get_compute_domain(
        domain_kwargs=domain, domain_type=MetricDomainTypes.TABLE
    )[0]


class ExpectFeatureRowsToPass(BatchExpectation):
    """Expect every row of a feature table to pass one aspect, in all its columns at once.

    ``aspect`` is ``finite_or_flagged``, ``in_range``, ``identical`` or ``twin``.
    """

    aspect: str
    metric_dependencies = (METRIC,)
    success_keys = ("aspect",)

    def _validate(self, metrics: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        return _answer(metrics[METRIC][self.aspect])


class ExpectSqlToReturnNoRows(BatchExpectation):
    """Expect a query over the lake (``sql/checks``) to give no row: each breaks the rule."""

    sql: str
    metric_dependencies = (SQL_METRIC,)
    success_keys = ("sql",)

    def _validate(self, metrics: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        return _answer(metrics[SQL_METRIC])


def _answer(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Put rows that break a rule into the form that the package wants."""
    found = {"unexpected_count": len(rows), "unexpected_index_list": rows}
    return {"success": not rows, "result": found}


def judge(
    frame: pd.DataFrame,
    table: str,
    keys: Sequence[str],
    rules: Sequence[Rule],
    dictionary: Dictionary | None = None,
    run: Run | None = None,
) -> list[Finding]:
    """Hold a frame against rules.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns of the table, one row for each of its rows.
    table : str
        Lake table that the findings are about.
    keys : sequence of str
        Columns that name a row in a finding.
    rules : sequence of Rule
    dictionary : Dictionary, optional
        Needed by rules of kind ``ExpectFeatureRowsToPass``.
    run : callable, optional
        Needed by rules of kind ``ExpectSqlToReturnNoRows``.

    Returns
    -------
    list of Finding
        One for each rule, in their order.

    Raises
    ------
    PlatformFaultError
        A rule could not be worked out: it is named.
    """
    if frame.empty:  # nothing breaks a rule about rows
        return [Finding(rule, table) for rule in rules]
    frame.attrs |= {DICTIONARY: dictionary, RUN: run}
    suite = gx.ExpectationSuite(name=table, expectations=[_expectation(rule) for rule in rules])
    answer = (
        _frames()
        .get_batch({"dataframe": frame})
        .validate(
            suite,
            result_format={
                "result_format": "COMPLETE",
                "unexpected_index_column_names": list(keys),
            },
        )
    )
    found = {one.expectation_config.meta["rule"]: one for one in answer.results}
    return [_finding(rule, table, len(frame), found[rule.name]) for rule in rules]


def _expectation(rule: Rule) -> Any:
    kind = globals().get(rule.kind) or getattr(gxe, rule.kind)
    severity = "warning" if rule.consequence == "warn" else "critical"
    meta = {"rule": rule.name, "consequence": rule.consequence}
    return kind(**rule.arguments, severity=severity, meta=meta, description=rule.says)


@cache
def _frames() -> Any:
    """Definition of a batch that is a frame: one context for the process, all of it in memory."""
    stores = InMemoryStoreBackendDefaults(init_temp_docs_sites=False)  # else a folder for each
    context = gx.get_context(
        mode="ephemeral", project_config=DataContextConfig(store_backend_defaults=stores)
    )
    context.variables.progress_bars = ProgressBarsConfig(globally=False)  # they would fill the log
    asset = context.data_sources.add_pandas("lake").add_dataframe_asset("frame")
    return asset.add_batch_definition_whole_dataframe("whole")


def _finding(rule: Rule, table: str, n_rows: int, answer: Any) -> Finding:
    told = answer.result
    if (answer.exception_info or {}).get("raised_exception", True) is not False:
        raise PlatformFaultError(
            f"expectation {table}.{rule.name} could not be worked out: {_cause(answer)}",
            way_out="report it with this line; the published snapshot stays",
        )
    rows = [_row(rule, found) for found in told.get("unexpected_index_list") or ()]
    return Finding(
        rule=rule,
        table=table,
        n_rows=n_rows,
        n_unexpected=int(told.get("unexpected_count", 0)),
        rows=rows,
        is_met=bool(answer.success),
    )


def _row(rule: Rule, found: dict[str, Any]) -> dict[str, Any]:
    """Keys of a row and, where it is no key, the value that broke the rule, under one name."""
    column = rule.arguments.get("column")
    if column is None or column.endswith("_key"):
        return found
    rest = {name: value for name, value in found.items() if name != column}
    return rest | {"value": found.get(column)}


def _cause(answer: Any) -> str:
    """Kind of the error alone: its text may quote a value."""
    for info in (answer.exception_info or {}).values():
        if isinstance(info, dict):
            last = str(info.get("exception_traceback", "")).strip().splitlines()
            return last[-1].partition(":")[0] if last else "unknown"
    return "unknown"
