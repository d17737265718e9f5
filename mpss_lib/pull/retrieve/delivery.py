"""What is ordered of a study, and what came of it, whichever way it came."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mpss_lib.errors import PlatformFaultError
from mpss_lib.pull.archive.answers import ObjectAnswer
from mpss_lib.pull.archive.association import OUT_OF_RESOURCES, SUCCESS


@dataclass(frozen=True)
class Order:
    """What is ordered of a study.

    Parameters
    ----------
    study_uid : str
    wanted : sequence of ObjectAnswer
        The manifest.
    whole_series : frozenset of str
        Series of which every object is wanted: asked for as a whole.
    attempts : int
        How often a missing object is asked for.
    spared : frozenset of str
        SOP Instance UIDs of objects that nobody waits for.
    """

    study_uid: str
    wanted: Sequence[ObjectAnswer]
    whole_series: frozenset[str] = frozenset()
    attempts: int = 1
    spared: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Delivery:
    """One object as it came.

    Parameters
    ----------
    path : Path
        A DICOM file: our file meta and the bytes as received.
    has_twin : bool
        The same SOP Instance UID came again with other bytes.
    problem : str
        Why it did not come; "" where it did.
    syntax : str
        Name of the transfer syntax in which it is stored, where that is why it did not come.
    """

    path: Path
    has_twin: bool
    problem: str = ""
    syntax: str = ""


class Basket:
    """Takes the objects of one order into a folder; file names are made here.

    Parameters
    ----------
    folder : Path
        Must be there.
    order : Order
    """

    def __init__(self, folder: Path, order: Order) -> None:
        self._order = order
        self._paths = {one.sop_uid: folder / f"{n:05d}.dcm" for n, one in enumerate(order.wanted)}
        self.delivered: dict[str, Delivery] = {}
        self.error: OSError | None = None

    @property
    def missing(self) -> list[ObjectAnswer]:
        """What did not come."""
        return [one for one in self._order.wanted if one.sop_uid not in self.delivered]

    @property
    def came(self) -> list[ObjectAnswer]:
        """What came."""
        there = {uid for uid, one in self.delivered.items() if not one.problem}
        return [one for one in self._order.wanted if one.sop_uid in there]

    @property
    def is_full(self) -> bool:
        """Whether nothing more can come: all is there, or the folder refused a file."""
        return self.error is not None or not self.missing

    @property
    def n_came(self) -> int:
        """Objects that came."""
        return sum(not one.problem for one in self.delivered.values())

    def take(self, sop_uid: str, content: bytes) -> int:
        """Keep an object; the answer is the status of its C-STORE.

        One that was not asked for (it came to the series since) is taken and dropped: the next
        query sees it.
        """
        before = self.delivered.get(sop_uid)
        if before is not None:
            same = before.path.read_bytes() == content
            self.delivered[sop_uid] = Delivery(before.path, before.has_twin or not same)
            return SUCCESS
        return self._put(sop_uid, lambda path: path.write_bytes(content), has_twin=False)

    def adopt(self, sop_uid: str, path: Path, *, has_twin: bool) -> None:
        """Take an object that lies in a file of this home already; the file stays."""
        before = self.delivered.get(sop_uid)
        if before is None:
            self._put(sop_uid, lambda ours: _link(path, ours), has_twin=has_twin)
        elif has_twin and not before.has_twin:
            self.delivered[sop_uid] = Delivery(before.path, has_twin=True)

    def claim(self, sop_uid: str, one: Delivery) -> None:
        """Take over an object that came into another basket, file and all."""
        self._put(sop_uid, one.path.replace, has_twin=one.has_twin)

    def give_up(self, sop_uid: str, problem: str, syntax: str) -> None:
        """Note of an object that did not come why it did not."""
        missing = Delivery(self._paths[sop_uid], False, problem, syntax)
        self.delivered.setdefault(sop_uid, missing)

    def check_folder(self) -> None:
        """Raise what the folder refused.

        Raises
        ------
        PlatformFaultError
        """
        if self.error is not None:
            raise PlatformFaultError(
                f"the staging folder refused a file: {self.error.strerror}",
                way_out="free disk space or correct its rights, then run again",
            ) from self.error

    def _put(self, sop_uid: str, fill: Callable[[Path], object], *, has_twin: bool) -> int:
        path = self._paths.get(sop_uid)
        if path is None:
            return SUCCESS
        try:
            fill(path)
        except OSError as error:
            self.error = error
            return OUT_OF_RESOURCES
        self.delivered[sop_uid] = Delivery(path, has_twin)
        return SUCCESS


def _link(source: Path, path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
    try:
        path.hardlink_to(source)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, path)
