"""Work done in the name of another account of this machine, which has no rights of its own."""

import os

import pytest

NOBODY = 65534

is_root = pytest.mark.skipif(os.geteuid() != 0, reason="another account is taken on")


def in_nobodys_name(work):
    """What a function gives, or its error, in a process of another account."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            told = str(work())
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
        os.write(writing, told.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as answer:
        return answer.read().decode()
