"""What the last check of each suite wrote: each table of it is read once in a check."""

from __future__ import annotations

import logging
from typing import Any

from mpss_lib.config import Config
from mpss_lib.errors import LakeCorruptError
from mpss_lib.shelves import digest_of_input
from mpss_lib.tables import Lake

log = logging.getLogger(__name__)

Row = dict[str, Any]

STAGE = "warehouse"
RESULT, FAILURE, SEEN = TABLES = ("expectation_result", "expectation_failure", "expectation_seen")


class LastCheck:
    """Rows of the three tables of a check, by suite.

    Parameters
    ----------
    lake, config
    """

    def __init__(self, lake: Lake, config: Config) -> None:
        self.lake, self.address = lake, config.address(STAGE)
        self._rows: dict[tuple[str, str], list[Row]] = {}
        self._digests: dict[tuple[str, str], str] = {}

    def rows(self, table: str, suite: str) -> list[Row]:
        """Rows of one suite; empty where it was never checked.

        Raises
        ------
        LakeCorruptError
            The file cannot be read.
        """
        if (table, suite) not in self._rows:
            path = self.lake.current_path(table, self.address, suite)
            self._digests[table, suite] = digest_of_input(path) if path is not None else ""
            self._rows[table, suite] = self.lake.rows(table, self.address, suite)
        return self._rows[table, suite]

    def replace(self, suite: str, results: list[Row], failures: list[Row]) -> None:
        """Take in what a check that has just ended wrote."""
        self._rows |= {(RESULT, suite): results, (FAILURE, suite): failures}

    def confirm(self, suite: str, digest: str) -> None:
        """Forget what was read of a suite if what an earlier check wrote is the newest again."""
        for table in TABLES:
            if self._digests.get((table, suite)) != digest:
                self._rows.pop((table, suite), None)

    def broken(self, suite: str) -> list[Row]:
        """Failures of rules that were not met; not those of predictions that were replaced."""
        unmet = {row["expectation"] for row in self.rows(RESULT, suite) if not row["is_met"]}
        return [row for row in self.rows(FAILURE, suite) if row["expectation"] in unmet]

    def is_there(self, suite: str) -> bool:
        """Whether results and failures of a suite lie where they were written."""
        paths = [self.lake.current_path(table, self.address, suite) for table in (RESULT, FAILURE)]
        return all(path is not None and path.is_file() for path in paths)

    def seen(self, suite: str) -> dict[str, Row]:
        """Map the path of each file that the last check has seen to its row; empty if lost."""
        path = self.lake.current_path(SEEN, self.address, suite)
        if path is None or not path.is_file():
            return {}
        try:
            return {row["path"]: row for row in self.rows(SEEN, suite)}
        except LakeCorruptError as error:
            log.warning("every file of suite %s is checked again: %s", suite, error)
            return {}
