"""Whether the audit log is as it was written: every line there, in order, none edited."""

from __future__ import annotations

from dataclasses import dataclass, field

from mpss_lib.audit.anchor import Head, read_anchor
from mpss_lib.audit.chain import FIRST, Chain, files_of, read_line


@dataclass
class Verdict:
    """What a reading of the whole log saw.

    Parameters
    ----------
    n_lines, n_files : int
    faults : list of str
        What is not as it was written, with file and line; empty where the log is sound.
    n_mended : int
        Lines that a kill had torn and a later writer set aside.
    torn : int
        Bytes of an unfinished line at the end: the next writer sets them aside. No fault.
    head : Head
        The last line.
    """

    n_lines: int = 0
    n_files: int = 0
    faults: list[str] = field(default_factory=list)
    n_mended: int = 0
    torn: int = 0
    head: Head = FIRST


def verify(chain: Chain) -> Verdict:
    """Read every line and hold it against the one before it, and the end against the vault."""
    verdict, anchor = Verdict(), read_anchor(chain.vault)
    files = files_of(chain.folder)
    is_anchored = anchor is None
    for k, path in enumerate(files):
        verdict.n_files += 1
        *lines, rest = path.read_bytes().split(b"\n")
        for n, raw in enumerate(lines, 1):
            _judge(verdict, f"{path.name} line {n}", raw)
            is_anchored = is_anchored or verdict.head == anchor
        if rest and k == len(files) - 1:
            verdict.torn = len(rest)
        elif rest:
            verdict.faults.append(f"{path.name}: an unfinished line, and another file after it")
    if anchor is not None and not is_anchored:
        verdict.faults.append(
            f"the vault knows line {anchor.seq} as the last one written, and the log"
            + (
                f" ends with line {verdict.head.seq}: it was cut"
                if verdict.head.seq < anchor.seq
                else " has another one in its place"
            )
        )
    return verdict


def _judge(verdict: Verdict, place: str, raw: bytes) -> None:
    line = read_line(raw)
    verdict.n_lines += 1
    if line is None:
        verdict.faults.append(f"{place}: not as it was written")
        verdict.head = Head(verdict.head.seq + 1, "")
        return
    wanted = verdict.head.seq + 1
    if line.seq != wanted:
        verdict.faults.append(f"{place}: line {line.seq} stands where line {wanted} should")
    elif verdict.head.hash and line.before != verdict.head.hash:
        verdict.faults.append(f"{place}: not the successor of the line before it")
    kind = line.message["EventIdentification"]["EventTypeCode"]["csd-code"]
    verdict.n_mended += kind == "audit_mended"
    verdict.head = line.head
