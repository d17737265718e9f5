"""What a door that touches identities does: it writes to the audit log what it did, and for whom.

Where the log cannot be written the door does nothing, or gives nothing back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mpss_lib.audit.chain import Chain
from mpss_lib.audit.message import Event
from mpss_lib.audit.syslog import MOST_AT_ONCE, send
from mpss_lib.audit.vocabulary import SERIOUS, SUCCESS
from mpss_lib.config import Config

FOLDER = "audit"
BEGUN = "begun"


@dataclass
class Told:
    """What a door adds while it works."""

    studies: Sequence[str] = ()
    things: Sequence[str] = ()
    details: dict[str, str] = field(default_factory=dict)


def chain_of(root: Path, config: Config) -> Chain:
    """Audit log of a home: ``audit`` in it, beside the vault."""
    settings = config.audit
    most_bytes = int(settings.file_mb * 1e6)
    return Chain(root / FOLDER, root / "vault.sqlite", most_bytes, settings.site)


def record(event: Event, root: Path, config: Config) -> None:
    """Write one event to the log of a home, and give it to the syslog receiver where there is one.

    Raises
    ------
    PlatformFaultError
        It could not be written.
    """
    chain = chain_of(root, config)
    chain.append(event)
    send(chain, config.audit, most=MOST_AT_ONCE)


@contextmanager
def recording(
    kind: str,
    root: Path,
    config: Config,
    *,
    studies: Sequence[str] = (),
    things: Sequence[str] = (),
    peer: str = "",
    begins: bool = False,
) -> Iterator[Told]:
    """Write what the block does when it has ended, well or not.

    Parameters
    ----------
    kind : str
        One of ``vocabulary.KINDS``.
    root : Path
        The home.
    config : Config
    studies, things, peer
        As in ``Event``; the block may set others.
    begins : bool
        Write a line before the block too (detail ``state`` is ``begun``): what a kill ends in the
        middle is in the log then.

    Raises
    ------
    PlatformFaultError
        The log cannot be written: before the block, where that can be known.
    """
    told = Told(studies, things)
    if begins:
        begun = Event(kind, SUCCESS, studies, things, {"state": BEGUN}, peer)
        record(begun, root, config)
    else:
        chain_of(root, config).check()
    outcome, problem = SUCCESS, ""
    try:
        yield told
    except BaseException as error:
        outcome, problem = SERIOUS, type(error).__name__
        raise
    finally:
        ended = Event(
            *(kind, outcome, told.studies, told.things, told.details, peer), problem=problem
        )
        record(ended, root, config)
