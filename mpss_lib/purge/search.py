"""The proof: every file of the home is read and no trace is in it, or it is said where."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from mpss_lib.purge.file_texts import UnreadableError, texts_of
from mpss_lib.purge.traces import Matcher


@dataclass(frozen=True)
class Hit:
    """A place that holds traces: what kinds, never their text."""

    place: str
    kinds: tuple[str, ...]


@dataclass
class Proof:
    """What a search saw.

    Parameters
    ----------
    n_files, n_bytes : int
        Read to the end.
    left : list of Hit
        Places that hold a strong trace, or that could not be read.
    possible : list of Hit
        Places that hold a weak trace only: chance, or not.
    """

    n_files: int = 0
    n_bytes: int = 0
    left: list[Hit] = field(default_factory=list)
    possible: list[Hit] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left."""
        return not self.left

    def add(self, place: str, strong: Iterable[str], weak: Iterable[str]) -> None:
        """Note what was found in a place."""
        kinds, weak_kinds = tuple(sorted(set(strong))), tuple(sorted(set(weak)))
        if kinds:
            self.left.append(Hit(place, kinds))
        elif weak_kinds:
            self.possible.append(Hit(place, weak_kinds))

    def join(self, other: Proof) -> None:
        """Add what another search saw."""
        self.n_files += other.n_files
        self.n_bytes += other.n_bytes
        self.left += other.left
        self.possible += other.possible


def search(
    roots: Sequence[Path],
    matcher: Matcher,
    *,
    leave_out: Callable[[Path], bool] = lambda path: False,
) -> Proof:
    """Read every file below the roots, names and contents.

    Parameters
    ----------
    roots : sequence of Path
        Folders and files; one that is absent holds nothing.
    matcher : Matcher
    leave_out : callable
        Paths (of files and folders) that are not looked at.
    """
    proof = Proof()
    for root, path in _walk(roots, leave_out):
        name = path.relative_to(root.parent).as_posix()
        strong = matcher.kinds(name.encode())
        if strong:
            name = _without(path, matcher, root)
        weak: set[str] = set()
        if path.is_file():
            try:
                for text in texts_of(path, matcher.longest):
                    strong |= matcher.kinds(text)
                    weak |= matcher.weak_kinds(text)
                proof.n_bytes += path.stat().st_size
            except UnreadableError as error:
                if path.exists():  # else its writer has just removed it
                    strong |= {f"cannot be read ({error})"}
            proof.n_files += 1
        proof.add(name, strong, weak)
    return proof


def _walk(roots: Sequence[Path], leave_out: Callable[[Path], bool]) -> Iterator[tuple[Path, Path]]:
    for root in roots:
        if root.is_file():
            yield root, root
        for path in sorted(root.rglob("*")) if root.is_dir() else ():
            is_outside = any(leave_out(one) for one in (path, *path.parents) if one != root)
            if not is_outside and not path.is_symlink():
                yield root, path


def _without(path: Path, matcher: Matcher, root: Path) -> str:
    """Name of a place with the part that is a trace left out."""
    parts = path.relative_to(root.parent).parts
    return "/".join("..." if matcher.has(part) else part for part in parts)


def readers_of_old_snapshots(lake_root: Path) -> list[int]:
    """Find processes that still hold a snapshot which was replaced: it ends with them."""
    start = str(lake_root.resolve())
    return sorted(
        process.pid
        for process in psutil.process_iter()
        if any(
            name.startswith(start) and name.endswith("duckdb (deleted)")
            for name in _open_files(process.pid)
        )
    )


def _open_files(pid: int) -> Iterator[str]:
    """Names of the files that a process holds; none where it has ended or is not ours to see."""
    try:
        links = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return
    for link in links:
        with suppress(OSError):  # closed meanwhile
            yield str(link.readlink())
