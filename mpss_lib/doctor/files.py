"""Files and folders of a home: their modes, what killed writers left, backups, the vault."""

from __future__ import annotations

import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from mpss_lib.doctor.finding import Finding, Subject, mpss, quoted
from mpss_lib.maintenance.copies import vault_copies
from mpss_lib.pull.vault import key_of
from mpss_lib.secrecy import OPEN_FOLDER, SETTINGS_FILE

RUBBISH_S = 3600.0
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def open_files(subject: Subject) -> Iterator[Finding]:
    """Find what other accounts may read beside the lake."""
    opened = [
        path
        for top in sorted(subject.root.iterdir())
        if top.name not in {OPEN_FOLDER, SETTINGS_FILE} and not top.is_symlink()
        for path in (top, *(sorted(top.iterdir()) if top.is_dir() else ()))
        if not path.is_symlink() and path.stat().st_mode & _OTHERS
    ]
    key = Path(subject.config.archive.tls_key or "/nowhere")
    if subject.config.archive.tls and key.is_file() and key.stat().st_mode & _OTHERS:
        opened.append(key)
    for path in opened:
        mode = stat.S_IMODE(path.stat().st_mode)
        yield Finding(
            "modes",
            f"other accounts may read {path.name} (mode {mode:04o})",
            f"chmod go= {quoted(path)}",
            is_safe=True,
        )
    mode = stat.S_IMODE(subject.root.stat().st_mode)
    if mode & (stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH):
        yield Finding(
            "modes",
            f"other accounts may list the home (mode {mode:04o})",
            f"chmod 711 {quoted(subject.root)}",
            is_safe=True,
        )


def rubbish(subject: Subject) -> Iterator[Finding]:
    """Find temporary files of writers that were killed."""
    now = time.time()
    old = [
        path
        for path in (subject.root / OPEN_FOLDER).rglob(".tmp-*")
        if now - path.stat().st_mtime > RUBBISH_S
    ]
    if old:
        size = sum(path.stat().st_size for path in old) / 2**20
        yield Finding(
            "lake",
            f"{len(old)} temporary files of killed writers, {size:.0f} MB",
            mpss(subject, "warehouse", "compact"),
            level="warning",
            is_safe=True,
        )


def backups(subject: Subject) -> Iterator[Finding]:
    """Look whether the folder of the weekly backups is there."""
    target = subject.config.maintenance.backup_target
    if target and not Path(target).is_dir():
        yield Finding(
            "backup",
            f"maintenance.backup_target = {target} is no folder",
            f"mkdir -p -m 700 {quoted(target)}",
            advice="is its disk mounted?",
        )


def vault(subject: Subject) -> Iterator[Finding]:
    """Look whether the vault and its key are there, and whether SQLite finds it whole."""
    if subject.home is None:
        return
    path = subject.home.sites.vault
    studies = subject.root / OPEN_FOLDER / "landing" / "study"
    copies = vault_copies(path)
    if not path.exists():
        if studies.is_dir():
            yield _gone(path, copies)
        return
    if not key_of(path).exists():
        yield _gone(key_of(path), [key_of(copy) for copy in copies])
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        try:
            told = str(database.execute("pragma quick_check(1)").fetchone()[0])
        except sqlite3.DatabaseError as error:
            told = str(error)
    if told != "ok":
        yield Finding(
            "vault",
            f"SQLite finds {path.name} damaged: {told.splitlines()[0][:120]}",
            f"cp -p {quoted(copies[-1])} {quoted(path)}" if copies else "",
            advice="with the newest backup; then `mpss reconcile`",
        )


def _gone(path: Path, copies: list[Path]) -> Finding:
    there = [copy for copy in copies if copy.exists()]
    return Finding(
        "vault",
        f"{path.name} is gone: who is who of the studies on the lake is not known",
        f"cp -p {quoted(there[-1])} {quoted(path)}" if there else "",
        advice="of the newest backup: `mpss backup restore` brings a whole home back",
    )
