"""A stage reads one version of everything: that of the chain which the present settings make.

The address of a stage holds the addresses of all that it reads (``Config.address``), so what stands
there was made from one version of each. Where a stage would have to take something from another
address it refuses, and says how the versions come together.
"""

from __future__ import annotations

from mpss_lib.config import Config
from mpss_lib.errors import WrongArgumentError


class OtherVersionError(WrongArgumentError):
    """What a stage needs is there in another version than its other inputs.

    Parameters
    ----------
    what : str
        The thing, for the message.
    stage : str
        Stage that makes it.
    config : Config
        The settings in force.
    detail : str
        More of what is wrong.
    """

    def __init__(self, what: str, stage: str, config: Config, *, detail: str = "") -> None:
        address = config.address(stage)
        super().__init__(
            f"{what}: not of the version that the settings make ({stage} engine {address.engine},"
            f" config {address.config}); two versions are never read together"
            + (f" ({detail})" if detail else ""),
            way_out="`mpss recompute --dry-run` lists what is out of date, `mpss recompute"
            " --activate` does it in the right order; or take the change of settings back",
        )
