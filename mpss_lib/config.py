"""Settings: frozen, typed, complete, read once; one section for each stage, with its hash.

Sources, the later wins: defaults, ``$MPSS_HOME/mpss.toml``, environment variables
``MPSS_<SECTION>__<FIELD>`` (values are read as TOML would read them). An unknown key, an
unknown ``MPSS_*`` variable or a value out of range stops at start and is named.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import is_
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from mpss_lib.alarm_section import AlarmSettings
from mpss_lib.archive_sections import ArchiveSettings, ReceiverSettings
from mpss_lib.calcium_sections import CalciumSettings, CompanionsSettings
from mpss_lib.errors import SettingsError
from mpss_lib.secrecy import MASK, check_settings_file, has_password, without_passwords
from mpss_lib.sections import (
    AuditSettings,
    BatchSettings,
    CohortSettings,
    EvaluationSettings,
    GatedSettings,
    IntakeSettings,
    MaintenanceSettings,
    PullSettings,
    QualitySettings,
    RadiomicsSettings,
    ReviewSettings,
    Section,
    SegmentationSettings,
    SelectionSettings,
    SiteSettings,
    StabilitySettings,
    WarehouseSettings,
)

log = logging.getLogger(__name__)

STAGES = (
    "pull",
    "intake",
    "segmentation",
    "quality",
    "radiomics",
    "gated",
    "companions",
    "calcium",
    "stability",
    "warehouse",
    "selection",
    "evaluation",
    "publication",
)
"""The stages in the order of the chain: package, task group, asset, tag and test folder."""

AS_PUBLISHED, CORRECTED, SITE = "as_published", "corrected", "site"
PROFILES = (AS_PUBLISHED, CORRECTED, SITE)
"""Selection and evaluation are done in each: the paper to the letter, what can be defended, and
what the settings say, unless that is one of the other two (``mpss_lib.profiles``)."""

LOGLIK = "as_published_loglik"
"""The paper's abstract names another winner than its methods: the same fits, judged by it."""

ELASTIC_NET = "elastic_net"
"""Profile of the fold models of the better model, which use the corrected selection."""

CONFIGURATIONS = ("radiomics", "clinical", "combined")
"""What a model may be made of: the features, the clinical terms, or both."""

CLINICAL = (
    "sex",
    "race",
    "age",
    "smoking",
    "diabetes",
    "hypertension",
    "hyperlipidemia",
    "family_history",
    "bmi",
    "lvef",
)
"""The ten clinical terms; sex and race are factors, yes or no counts as 1 or 0."""

ENGINES: Mapping[str, str] = dict.fromkeys(STAGES, "1") | {
    "pull": "2",
    "intake": "3",
    "segmentation": "7",
    "quality": "3",
    "companions": "2",
    "calcium": "2",
    "selection": "3",
    "evaluation": "3",
}
"""Raised by hand, one stage at a time, when the numbers that it writes can change."""

READS: Mapping[str, tuple[str, ...]] = {
    "pull": (),
    "intake": ("pull",),
    "segmentation": ("intake",),
    "quality": ("intake", "segmentation"),
    "radiomics": ("intake", "segmentation"),
    "gated": ("intake",),
    "companions": ("pull",),
    "calcium": ("segmentation", "companions"),
    "stability": ("intake", "segmentation", "radiomics"),
    "warehouse": (),
    "selection": ("radiomics", "stability"),
    "evaluation": ("radiomics", "selection"),
    "publication": ("evaluation",),
}
"""Stages whose (engine, config) enter the config hash of the key."""

RENAMED: Mapping[str, str] = {"upkeep": "maintenance"}
"""Old name of a section, still read with a warning, and its name now."""

MOVED: Mapping[tuple[str, str], tuple[str, str]] = {
    **{("pull", name): ("batch", name) for name in ("fault_share", "fault_least", "min_batch")},
    ("site", "archive_host"): ("archive", "host"),
    ("site", "archive_port"): ("archive", "port"),
    **{
        ("site", name): ("archive", name)
        for name in (
            *("called_aet", "calling_aet", "uids_per_request", "find_limit"),
            *("connection_timeout_s", "acse_timeout_s", "dimse_timeout_s"),
        )
    },
}
"""Old section and name of a setting, still read there with a warning, and both now."""


def upstream(stage: str) -> tuple[str, ...]:
    """Every stage that one reads, by way of others too, in the order of the chain."""
    found = set(READS[stage]).union(*(upstream(name) for name in READS[stage]))
    return tuple(name for name in STAGES if name in found)


@dataclass(frozen=True)
class Address:
    """What made an output: the stage's engine and the hash of its settings (design rule 2)."""

    engine: str
    config: str

    @property
    def folder(self) -> str:
        """Relative path of what these made."""
        return f"engine={self.engine}/config={self.config}"


_ADDRESSES: dict[str, tuple[tuple[Section, ...], tuple[str, ...], Address]] = {}
"""Stage -> the last address made of it, with the sections (frozen) and engines that it was made of:
a stage asks for its own several times a study."""


class Config(BaseModel):
    """All settings of a home."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    site: SiteSettings = SiteSettings()
    archive: ArchiveSettings = ArchiveSettings()
    receiver: ReceiverSettings = ReceiverSettings()
    audit: AuditSettings = AuditSettings()
    batch: BatchSettings = BatchSettings()
    pull: PullSettings = PullSettings()
    intake: IntakeSettings = IntakeSettings()
    segmentation: SegmentationSettings = SegmentationSettings()
    quality: QualitySettings = QualitySettings()
    radiomics: RadiomicsSettings = RadiomicsSettings()
    gated: GatedSettings = GatedSettings()
    companions: CompanionsSettings = CompanionsSettings()
    calcium: CalciumSettings = CalciumSettings()
    stability: StabilitySettings = StabilitySettings()
    review: ReviewSettings = ReviewSettings()
    cohort: CohortSettings = CohortSettings()
    warehouse: WarehouseSettings = WarehouseSettings()
    selection: SelectionSettings = SelectionSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    maintenance: MaintenanceSettings = MaintenanceSettings()
    alarm: AlarmSettings = AlarmSettings()

    def section(self, stage: str) -> Section:
        """Give the settings of a stage; none where it has no section."""
        section: Section = getattr(self, stage, Section())
        return section

    def address(self, stage: str) -> Address:
        """Engine and config hash of a stage.

        The hash covers the stage's own section and the address of every stage that it reads, so
        that a thicker wall makes new radiomics.
        """
        known = _ADDRESSES.get(stage)
        made_of = tuple(self.section(name) for name in (stage, *upstream(stage)))
        engines = tuple(ENGINES[name] for name in (stage, *upstream(stage)))
        if known is not None and known[1] == engines and all(map(is_, known[0], made_of)):
            return known[2]
        section = made_of[0]
        payload = {
            "section": section.model_dump(mode="json", exclude=set(section.unhashed)),
            "reads": {name: _plain(self.address(name)) for name in READS[stage]},
        }
        text = json.dumps(payload, sort_keys=True, separators=(",", ":"))
        found = Address(ENGINES[stage], hashlib.sha256(text.encode()).hexdigest()[:12])
        _ADDRESSES[stage] = made_of, engines, found
        return found


@dataclass(frozen=True)
class Sites:
    """Addresses of what lies outside the lake; in no hash.

    The command line fills it from the settings file, a DAG from Airflow's connections. ``zone`` is
    that of the archive's hours; ``is_night``: the nightly pull, which has hours of its own.
    """

    vault: Path
    staging: Path
    archive: ArchiveSettings
    registry_url: str = field(default="", repr=False)
    results_url: str = field(default="", repr=False)
    receiver: ReceiverSettings = field(default_factory=ReceiverSettings)
    zone: str = "UTC"
    is_night: bool = False


def home() -> Path:
    """Folder of this installation's data: ``$MPSS_HOME``, else ``.mpss`` in the working folder."""
    return Path(os.environ.get("MPSS_HOME", ".mpss")).resolve()


def sites_of(config: Config, root: Path) -> Sites:
    """Sites of a home as its settings file names them."""
    return Sites(
        vault=root / "vault.sqlite",
        staging=root / "staging",
        archive=config.archive,
        registry_url=config.site.registry_url,
        results_url=config.site.results_url,
        receiver=config.receiver,
        zone=config.site.timezone,
    )


def load(root: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Read the settings of a home.

    Parameters
    ----------
    root : Path, optional
        The home; ``home()`` by default. Its ``mpss.toml`` may be absent.
    environ : mapping, optional
        Environment variables; ``os.environ`` by default.

    Raises
    ------
    SettingsError
        Names the unknown key or variable, or the bad value and what is allowed; or the file holds
        a password that other accounts may read.
    """
    root = home() if root is None else root
    environ = os.environ if environ is None else environ
    path = root / "mpss.toml"
    values: dict[str, Any] = {}
    if path.exists():
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except PermissionError as error:
            raise SettingsError(
                f"{path.name} cannot be read by this account",
                way_out="work as the account that runs the platform; `mpss sql` and"
                " mpss_lib.open_warehouse() read the lake without settings",
            ) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"{path.name} is not TOML: {without_passwords(str(error))}",
                way_out="correct the line that is named",
            ) from error
        check_settings_file(path, values)
    _move_settings(values, path)
    for section, name, text in _environment(environ):
        values.setdefault(section, {})[name] = _toml_value(text)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(
            f"setting {where} = {_shown(where, first.get('input'))}: "
            f"{without_passwords(first['msg'])}",
            way_out=f"correct {path.name} or the MPSS_* variable;"
            f" sections: {', '.join(sorted(Config.model_fields))}",
        ) from None  # the text of the error quotes what was given, passwords too


def _move_settings(values: dict[str, Any], path: Path) -> None:
    for old, new in RENAMED.items():
        if old in values and new in values:
            raise SettingsError(
                f"{path.name} has both [{old}] and [{new}]",
                way_out=f"move what [{old}] says to [{new}]: it is the new name of the section",
            )
        if old in values:
            log.warning("%s: section [%s] is called [%s] now: rename it", path.name, old, new)
            values[new] = values.pop(old)
    for (old, name), (new, called) in MOVED.items():
        here, there = values.get(old), values.get(new, {})
        if not isinstance(here, dict) or not isinstance(there, dict) or name not in here:
            continue
        before, now = f"{old}.{name}", f"{new}.{called}"
        if called in there:
            raise SettingsError(
                f"{path.name} has both {before} and {now}",
                way_out=f"take {before} out: it is the old place of the same setting",
            )
        log.warning("%s: setting %s is %s now: move it", path.name, before, now)
        values[new] = there | {called: here.pop(name)}


def _shown(where: str, value: object) -> str:
    """Give a value for a message: a password, or a part that holds one, is not told."""
    text = without_passwords(repr(value))
    return MASK if has_password(text, where) else text


def _environment(environ: Mapping[str, str]) -> list[tuple[str, str, str]]:
    found = []
    for name, text in sorted(environ.items()):
        if not name.startswith("MPSS_") or name == "MPSS_HOME":
            continue
        section, _, field = name.removeprefix("MPSS_").lower().partition("__")
        if section in RENAMED:
            log.warning("%s: the section is called %s now: rename it", name, RENAMED[section])
            section = RENAMED[section]
        if new := MOVED.get((section, field)):
            section, field = new
            log.warning("%s: the setting is %s.%s now: rename it", name, section, field)
        known = Config.model_fields.get(section)
        if known is None or field not in type(known.default).model_fields:
            raise SettingsError(
                f"environment variable {name} names no setting",
                way_out="write MPSS_<SECTION>__<FIELD> as in MPSS_COHORT__ACCEPT, or unset it",
            )
        found.append((section, field, text))
    return found


def _toml_value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _plain(address: Address) -> list[str]:
    return [address.engine, address.config]
