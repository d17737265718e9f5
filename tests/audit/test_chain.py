"""The audit log: append-only, chained, found out where it is not as it was written."""

import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
from concurrent.futures import ProcessPoolExecutor

import pytest

from mpss_lib.audit.anchor import read_anchor
from mpss_lib.audit.chain import Chain, files_of, lines_of
from mpss_lib.audit.message import Event
from mpss_lib.audit.verify import verify
from mpss_lib.audit.vocabulary import SUCCESS
from mpss_lib.errors import PlatformFaultError
from mpss_lib.pull.vault import Vault


def event(n=0):
    return Event("pull", SUCCESS, [f"S{n:016x}"])


@pytest.fixture
def chain(tmp_path):
    Vault(tmp_path / "vault.sqlite")
    return Chain(tmp_path / "audit", tmp_path / "vault.sqlite", 10**6)


@pytest.fixture
def written(chain):
    for n in range(6):
        chain.append(event(n))
    return chain


def the_file(chain):
    (path,) = files_of(chain.folder)
    return path


def change(chain, edit):
    path = the_file(chain)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(edit(lines)))


def test_a_log_that_nobody_touched_is_sound_and_only_its_account_reads_it(written):
    verdict = verify(written)
    assert (verdict.faults, verdict.n_lines, verdict.torn) == ([], 6, 0)
    assert read_anchor(written.vault) == verdict.head
    assert stat.S_IMODE(written.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in written.folder.iterdir()} == {0o600}


def rehashed(lines):
    """Edit line 3 and give it the hash that belongs to it: its successor tells."""
    import hashlib

    body = json.loads(lines[2])
    body["message"]["EventIdentification"]["EventOutcomeIndicator"] = "8"
    del body["hash"]
    plain = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    body["hash"] = hashlib.sha256(plain).hexdigest()
    lines[2] = json.dumps(body, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    return lines


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda ls: [*ls[:2], ls[2].replace(b'"C"', b'"D"'), *ls[3:]], "line 3: not as it was"),
        (lambda ls: [*ls[:2], ls[2].replace(b",", b", ", 1), *ls[3:]], "line 3: not as it was"),
        (rehashed, "line 4: not the successor"),
        (lambda ls: [*ls[:2], *ls[3:]], "line 3: line 4 stands where line 3 should"),
        (lambda ls: [ls[0], ls[2], ls[1], *ls[3:]], "line 2: line 3 stands where line 2 should"),
        (lambda ls: ls[1:], "line 1: line 2 stands where line 1 should"),
        (lambda ls: ls[:-1], "knows line 6 as the last one written, and the log ends with line 5"),
        (lambda ls: [], "knows line 6 as the last one written, and the log ends with line 0"),
        (lambda ls: [*ls[:-1], ls[-1][:-9]], "ends with line 5: it was cut"),
        (lambda ls: [*ls[:-1], ls[-1].replace(b'"C"', b'"D"')], "line 6: not as it was"),
    ],
)
def test_a_log_that_somebody_changed_is_found_out(written, edit, told):
    change(written, edit)
    assert any(told in fault for fault in verify(written).faults)


@pytest.mark.parametrize("cut", [lambda ls: ls[:-2], lambda ls: [*ls[:-1], ls[-1][:40]]])
def test_a_cut_stays_found_out_when_the_log_goes_on(written, cut):
    change(written, cut)
    written.append(event(9))
    (fault,) = verify(written).faults
    assert "stands where line" in fault


def test_a_deleted_file_is_found_out(chain):
    small = Chain(chain.folder, chain.vault, 1)  # each line in a file of its own
    for n in range(4):
        small.append(event(n))
    first, second, *_ = files_of(small.folder)
    assert (verify(small).faults, verify(small).n_files) == ([], 4)
    second.unlink()
    assert verify(small).faults == ["000003.jsonl line 1: line 3 stands where line 2 should"]
    files_of(small.folder)[-1].unlink()
    assert len(verify(small).faults) == 2
    first.unlink()
    assert len(verify(small).faults) == 2  # line 3 where line 1 should be, and the end


def test_a_torn_line_is_set_aside_and_told_and_the_chain_goes_on(written):
    before = the_file(written).read_bytes()
    with the_file(written).open("ab") as file:
        file.write(b'{"before":"half a li')
    assert verify(written).torn == 20
    assert verify(written).faults == []  # nothing that was whole is missing
    written.append(event(7))
    verdict = verify(written)
    assert (verdict.faults, verdict.n_mended, verdict.n_lines, verdict.torn) == ([], 1, 8, 0)
    assert the_file(written).read_bytes().startswith(before)
    (aside,) = written.folder.glob("torn-*.bin")
    assert aside.read_bytes() == b'{"before":"half a li'


def test_a_line_that_the_vault_had_no_time_to_learn_of_is_kept(written):
    older = read_anchor(written.vault)
    written.append(event(7))
    from mpss_lib.audit.anchor import set_anchor

    set_anchor(written.vault, older)
    assert verify(written).faults == []
    written.append(event(8))
    assert (verify(written).faults, verify(written).n_lines) == ([], 8)


def append_some(args):
    chain, count = args
    for n in range(count):
        chain.append(event(n))


def test_several_processes_write_one_chain(chain):
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(append_some, [(chain, 15)] * 4))
    verdict = verify(chain)
    assert (verdict.faults, verdict.n_lines) == ([], 60)
    seqs = [line.seq for path in files_of(chain.folder) for line in lines_of(path)]
    assert seqs == list(range(1, 61))


def test_kills_in_the_middle_of_writing_lose_no_line_that_was_written(chain, tmp_path):
    """Each killed process says, line by line, what ``append`` had answered for."""
    code = textwrap.dedent(f"""
        import sys
        from pathlib import Path
        from mpss_lib.audit.chain import Chain
        from mpss_lib.audit.message import Event
        chain = Chain(Path({str(chain.folder)!r}), Path({str(chain.vault)!r}), 3000)
        while True:
            head = chain.append(Event("find", "0"))
            print(head.seq, head.hash, flush=True)
    """)
    told = []
    for n in range(5):
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        said = [child.stdout.readline() for _ in range(2 + n)]
        os.kill(child.pid, signal.SIGKILL)
        rest, _ = child.communicate()
        told += [line.split() for line in (*said, *rest.splitlines()) if len(line.split()) == 2]
    chain.append(event())
    assert verify(chain).faults == []
    there = {str(line.seq): line.hash for p in files_of(chain.folder) for line in lines_of(p)}
    assert len(told) > 15
    for seq, digest in told:
        assert there[seq.decode()].startswith(digest.decode())


def test_a_log_that_cannot_be_written_stops_its_caller(written):
    written.folder.joinpath("000001.jsonl").unlink()
    written.folder.joinpath("000001.jsonl").mkdir()
    with pytest.raises(PlatformFaultError, match=r"audit log cannot be written.*way out"):
        written.append(event())
