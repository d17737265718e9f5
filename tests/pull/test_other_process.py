"""Orders to a process beside this one: all are done, in order, whatever their size."""

import os
import signal
import time

import pytest

from mpss_lib.pull.other_process import MOST, NotDoneError, OtherProcess


def work(order):
    if order == "broken":
        raise ValueError("no result")
    if order == "slow":
        time.sleep(0.5)
    if order == "ended":
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid(), order * 2


@pytest.fixture
def other():
    process = OtherProcess(work)
    yield process
    process.end()
    process.close()


def test_orders_are_done_in_turn_by_somebody_else(other):
    orders = [b"x" * size for size in (0, 1, 60000, 100000, 20, 90000, 7)] * 5
    futures = [other.submit(order) for order in orders]  # more than there is room for
    other.wait_for(futures[3])
    assert all(future.done() for future in futures[:4])
    other.wait_for(futures[-1])
    assert [future.result() for future in futures] == [(other.pid, 2 * one) for one in orders]
    assert other.pid != os.getpid()


def test_an_order_that_is_too_large_is_given_back(other):
    futures = [other.submit(b"x" * size) for size in (1, 2 * MOST, 2)]
    other.wait_for(futures[2])
    with pytest.raises(NotDoneError):
        futures[1].result()
    assert [len(futures[n].result()[1]) for n in (0, 2)] == [2, 4]


def test_what_nobody_has_begun_can_be_taken_back_oldest_first(other):
    other.submit("slow")
    orders = list(range(100))
    futures = [other.submit(n) for n in orders]
    mine = []
    while (taken := other.take_back()) is not None:
        future, order = taken
        future.set_result((os.getpid(), 2 * order))
        mine += [order] if order != "slow" else []  # nobody had begun it either
    assert mine == sorted(mine)
    assert len(mine) > 50
    other.finish()
    assert [future.result()[1] for future in futures] == [2 * n for n in orders]
    done_there = [n for n, future in enumerate(futures) if future.result()[0] == other.pid]
    assert sorted([*mine, *done_there]) == orders
    assert other.take_back() is None


def test_many_small_orders_are_seen_by_a_look(other):
    futures = [other.submit(n) for n in range(3000)]
    while not futures[-1].done():
        other.look()
    assert [future.result()[1] for future in futures] == [2 * n for n in range(3000)]


def test_an_order_that_cannot_be_done_stops_no_other(other):
    futures = [other.submit(order) for order in (1, "broken", 3)]
    other.wait_for(futures[2])
    with pytest.raises(NotDoneError):
        futures[1].result()
    assert (futures[0].result()[1], futures[2].result()[1], other.has_ended) == (2, 6, False)


def test_when_it_is_ended_all_that_was_asked_is_given_back(other):
    futures = [other.submit(order) for order in (1, "ended", 3, 4)]
    other.wait_for(futures[-1])
    assert futures[0].result()[1] == 2
    for future in (*futures[1:], other.submit(5)):
        with pytest.raises(NotDoneError):
            future.result()
    assert other.has_ended


def test_what_waits_when_it_is_closed_is_not_waited_for():
    process = OtherProcess(work)
    pid = process.pid
    for size in (1, 10**5, 10**5):
        process.submit(b"x" * size)
    process.end()
    process.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
