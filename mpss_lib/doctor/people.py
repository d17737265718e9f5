"""Who may log in: a real home in which everybody is one administrator, or nobody is one."""

from __future__ import annotations

from collections.abc import Iterator

from mpss_lib.doctor.finding import Finding, Subject, mpss
from mpss_lib.runtime.airflow_home import AirflowHome, is_demo, lacks_administrator


def accounts(subject: Subject) -> Iterator[Finding]:
    """Judge the accounts of a home with an Airflow of its own; a demo's is shared on purpose."""
    if is_demo(subject.root) or AirflowHome.load(subject.root) is None:
        return
    if subject.config.site.accounts == "shared":
        yield Finding(
            "accounts",
            "everybody logs in as one administrator: whoever may look may purge, and a decision"
            " names no person",
            level="warning",
            advice='write accounts = "persons" into [site] of mpss.toml; `mpss up` then asks for'
            " the first account, `mpss account add` makes the others",
        )
    elif lacks_administrator(subject.root, subject.config):
        yield Finding(
            "accounts",
            "no account may do everything: nobody can make accounts in the UI",
            mpss(subject, "account", "add", "administrator", "--role", "admin"),
            advice="it asks for a password, or reads one: --password-file FILE",
        )
