"""What a model file holds, how it is sealed and how it is read.

The file is JSON. ``sha256`` is the digest of all the rest in canonical form (sorted keys, no
spaces), so that laying the file out anew leaves it whole and changing a figure does not. Numbers
are written as the shortest text that reads back as the same double.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mpss_lib.errors import MpssError, WrongArgumentError
from mpss_lib.whole_files import write_bytes

FORMAT: Literal["mpss-model"] = "mpss-model"
SCHEMA_VERSION: Literal[1] = 1
SEAL = "sha256"


class ModelFileError(MpssError):
    """A model file that cannot be used here: damaged, changed, or made of other features."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Term(_Part):
    """A term with its distribution in the cohort that the model was made with.

    Coefficients are on raw values; ``mean`` and ``sd`` standardise them. ``counts`` has each level
    of a category or flag, None where the rule for small cells withholds it.
    """

    name: str
    source: Literal["feature", "clinical"]
    kind: Literal["number", "flag", "category"]
    unit: str
    ibsi_code: str = ""
    levels: tuple[str, ...] = ()
    mean: float | None = None
    sd: float | None = None
    quantiles: dict[str, float] = Field(default_factory=dict)
    counts: dict[str, int | None] = Field(default_factory=dict)


class Column(_Part):
    """A column of the linear form: a number or flag, or the dummy of one level of a category."""

    term: str
    level: str = ""


class Formula(_Part):
    """One linear form: an intercept and a coefficient for each of the file's columns."""

    intercept: float
    coefficients: tuple[float, ...]


class ScannerFormulas(_Part):
    """The formulas for values of one scanner (manufacturer and model): its harmonisation in them.

    There are as many as plain ones, in the same order, over the same columns.
    """

    scanner: str
    formulas: tuple[Formula, ...]


class Outcome(_Part):
    """What is predicted: the column of the cohort, its unit and its distribution."""

    column: str
    unit: str
    transform: Literal["none", "log1p"]
    mean: float | None
    sd: float | None
    quantiles: dict[str, float]
    classes: dict[str, int | None]


class Figure(_Part):
    """A figure that was measured where the model was made, out of sample."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int


class Cohort(_Part):
    """Who the model was made with, as sums: no patient."""

    cohort_hash: str
    n: int
    smallest_cell: int
    linear_mean: float
    linear_sd: float
    correlations: dict[str, tuple[float, ...]]


class Makers(_Part):
    """What the features depend on: engines and settings, and who wrote the file."""

    code_version: str
    engines: dict[str, str]
    settings: dict[str, str]
    selection: tuple[str, ...]


class ModelFile(_Part):
    """A model of one segment and configuration.

    ``average`` says what is averaged over the formulas: ``linear`` their linear forms, then the
    mean is brought back to a score, not below 0; ``score`` the scores. ``formulas`` take values as
    they are. Where the model harmonises its features, ``scanners`` has formulas for each scanner
    that it knows, which need the clinical terms ``covariates``; another scanner's values are taken
    as they are.
    """

    format: Literal["mpss-model"] = FORMAT
    schema_version: Literal[1] = SCHEMA_VERSION
    segment: str
    configuration: str
    profile: str
    bins: int
    average: Literal["linear", "score"]
    outcome: Outcome
    columns: tuple[Column, ...]
    terms: tuple[Term, ...]
    formulas: tuple[Formula, ...]
    scanners: tuple[ScannerFormulas, ...] = ()
    covariates: tuple[str, ...] = ()
    cohort: Cohort
    makers: Makers
    calibration: tuple[Figure, ...]

    def term(self, name: str) -> Term:
        """Give the term of this name."""
        return next(one for one in self.terms if one.name == name)

    @property
    def used(self) -> tuple[int, ...]:
        """Places of the columns that have a coefficient in a plain formula."""
        return tuple(
            k
            for k in range(len(self.columns))
            if any(formula.coefficients[k] != 0.0 for formula in self.formulas)
        )


def seal_of(content: dict[str, Any]) -> str:
    """Digest of a file's content without its seal."""
    plain = {key: value for key, value in content.items() if key != SEAL}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def as_text(model: ModelFile) -> str:
    """Give the sealed file."""
    content = model.model_dump(mode="json")
    return json.dumps(content | {SEAL: seal_of(content)}, indent=1, allow_nan=False) + "\n"


def write(model: ModelFile, path: Path) -> None:
    """Write a sealed file, whole or not at all."""
    write_bytes(path, as_text(model).encode())


def read(path: Path) -> ModelFile:
    """Read a file and check its seal.

    Raises
    ------
    WrongArgumentError
        There is no such file.
    ModelFileError
        It is no model file, of another schema, or not as it was sealed.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise WrongArgumentError(
            f"no file {path.name}", way_out="name a file that `mpss model export` wrote"
        ) from error
    except ValueError as error:
        raise _damaged(path, "it is no JSON text") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise _damaged(path, f"it does not say that its format is {FORMAT!r}")
    if content.get("schema_version") != SCHEMA_VERSION:
        raise ModelFileError(
            f"{path.name} has schema version {content.get('schema_version')!r}, this installation"
            f" reads {SCHEMA_VERSION}",
            way_out="export it anew with this version, or read it with the version that wrote it",
        )
    if content.get(SEAL) != seal_of(content):
        raise _damaged(path, "its content is not what its sha256 was made of")
    content.pop(SEAL)
    try:
        model = ModelFile.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _damaged(path, f"{where}: {first['msg']}") from error
    every = [model.formulas, *(one.formulas for one in model.scanners)]
    if any(len(one.coefficients) != len(model.columns) for many in every for one in many):
        raise _damaged(path, f"a formula has not {len(model.columns)} coefficients")
    if any(len(many) != len(model.formulas) for many in every):
        raise _damaged(path, f"a scanner has not {len(model.formulas)} formulas")
    return model


def _damaged(path: Path, why: str) -> ModelFileError:
    return ModelFileError(
        f"{path.name} cannot be taken for a model: {why}",
        way_out="ask the site that made it for the file again",
    )
