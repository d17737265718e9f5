"""Lint: no function is longer than a reader bears; `make lint` runs it.

Counted are the lines of a function from ``def`` to its end, without its docstring. More than 60
are refused; more than 40 only where the function is named here. The list may only become shorter:
a name whose function is short again, or gone, is refused too. Kernels (``_*kernels.py``) are loops
on purpose and are left out.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
CODE = ("mpss_lib", "plugins", "dags")
WANTED, REFUSED, MOST_NAMED = 40, 60, 15
NAMED_LONG: frozenset[str] = frozenset()


def lengths(project: Path) -> Iterator[tuple[str, int]]:
    """Name (``path:function``) and lines of every function."""
    for folder in CODE:
        for path in sorted((project / folder).rglob("*.py")):
            if path.match("_*kernels.py"):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{path.relative_to(project).as_posix()}:{node.name}", lines_of(node)


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    first = function.body[0]
    told = first.end_lineno - first.lineno + 1 if ast.get_docstring(function) is not None else 0
    return function.end_lineno - function.lineno + 1 - told


def faults(project: Path, named: frozenset[str] = NAMED_LONG) -> list[str]:
    """One line for each function, or name of the list, that is refused."""
    long = {name: n for name, n in lengths(project) if n > WANTED}
    found = [f"{name}: {n} lines, {REFUSED} at most" for name, n in long.items() if n > REFUSED]
    found += [
        f"{name}: {n} lines; shorten it to {WANTED}"
        for name, n in long.items()
        if name not in named
    ]
    found += [f"{name}: not long, take it off the list" for name in sorted(named - set(long))]
    return found + [f"{len(named)} names, {MOST_NAMED} at most"] * (len(named) > MOST_NAMED)


if __name__ == "__main__":
    refused = faults(PROJECT)
    sys.stdout.write("".join(f"{line}\n" for line in refused))
    sys.exit(bool(refused))
