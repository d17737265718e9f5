"""Studies fetched once more, and answers to what the archive has otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mpss_lib.batch import BatchResult, audited, run_batch
from mpss_lib.config import Config, Sites
from mpss_lib.errors import WrongArgumentError
from mpss_lib.pull import stage
from mpss_lib.pull.archive.session import session_of
from mpss_lib.tables import Lake, Outcome
from mpss_lib.upstream import ACCEPTABLE, CORRECTED, DELETED, EXTRA, is_noted, stay


def accept(keys: Sequence[str], lake: Lake) -> tuple[list[tuple[str, str]], list[str]]:
    """Let studies stay that the archive lost; say which others wait for their correction.

    Returns
    -------
    stays : list of (study key, kind)
        Settled.
    corrected : list of str
        To be fetched again, with their correction taken (``fetch_again``).

    Raises
    ------
    WrongArgumentError
        A study has nothing that waits for an answer; none was settled.
    """
    for key in keys:
        if not any(is_noted(lake, key, kind) for kind in ACCEPTABLE):
            raise WrongArgumentError(
                f"{key!r} has nothing that waits for an answer",
                way_out="`mpss reconcile` and `mpss status` name the studies that do",
            )
    stays = [(key, kind) for key in keys for kind in (DELETED, EXTRA) if stay(lake, key, kind)]
    return stays, [key for key in keys if is_noted(lake, key, CORRECTED)]


def fetch_again(
    keys: Sequence[str],
    lake: Lake,
    config: Config,
    sites: Sites,
    *,
    accepts: bool,
    run_name: str = "by hand",
    progress: Callable[[str, str], None] | None = None,
) -> BatchResult:
    """Fetch studies once more in one session; ``accepts`` takes corrections that wait.

    Returns
    -------
    BatchResult
        Of ``pull``: the stages after it are not done.
    """
    with session_of(sites) as session:

        def fetch(key: str) -> Outcome:
            return stage.run(key, lake, config, sites, force=True, accepts=accepts, session=session)

        with audited("pull", list(keys), config, sites) as told:
            done = run_batch(
                "pull", fetch, list(keys), lake, config, run_name=run_name, progress=progress
            )
            told(done)
        return done
