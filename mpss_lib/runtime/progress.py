"""Progress of a DAG run on a terminal or in a log."""

from __future__ import annotations

import time
from collections import Counter
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

ENDED = {"success", "failed", "skipped", "upstream_failed", "removed"}
LOG_EVERY_S = 10.0


class RunProgress:
    """Show which task instances of a run have ended and which run now."""

    def __init__(self, dag_id: str, console: Console) -> None:
        self._console = console
        self._dag_id = dag_id
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<14}"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:.0f}/{task.total:.0f} tasks  {task.fields[now]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(dag_id, total=1, now="")
        self._tasks: list[dict[str, Any]] = []
        self._started = self._said_at = time.monotonic()
        self._said = ""

    def __enter__(self) -> RunProgress:
        """Start the bar."""
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the bar and leave one line."""
        self._bar.stop()
        states = Counter(str(task["state"]) for task in self._tasks)
        text = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
        seconds = time.monotonic() - self._started
        self._console.print(f"{self._dag_id}: {len(self._tasks)} tasks ({text}) in {seconds:.0f} s")

    def show(self, tasks: list[dict[str, Any]]) -> None:
        """Take the newest states of the run's task instances."""
        self._tasks = tasks
        done = sum(task["state"] in ENDED for task in tasks)
        running = Counter(task["task_id"] for task in tasks if task["state"] == "running")
        now = ", ".join(
            f"{name} x{number}" if number > 1 else name for name, number in running.items()
        )
        self._bar.update(self._task, completed=done, total=max(len(tasks), 1), now=now)
        text = f"{self._dag_id}: {done}/{len(tasks)} tasks, now {now or 'queued'}"
        quiet = time.monotonic() - self._said_at > LOG_EVERY_S
        if not self._console.is_terminal and quiet and text != self._said:
            self._console.print(text)
            self._said, self._said_at = text, time.monotonic()

    def failed_tasks(self) -> str:
        """Name the tasks that failed by themselves (not because of one before)."""
        failed = [task for task in self._tasks if task["state"] == "failed"]
        return ", ".join(
            task["task_id"] + (f"[{task['map_index']}]" if task["map_index"] >= 0 else "")
            for task in failed
        )
