import threading
import time

from mpss_lib.pull.parking import Checkpoint


class Reactor(threading.Thread):
    """pynetdicom's loop in small: passes the checkpoint, then takes what lies there."""

    def __init__(self):
        super().__init__(daemon=True)
        self.checkpoint = Checkpoint(self)
        self.box = []
        self.stolen = 0
        self.ended = False

    def run(self):
        while not self.ended:
            self.checkpoint.wait()
            time.sleep(0.002)  # a busy machine: the thread is put aside right after the gate
            if self.box:
                self.box.clear()
                self.stolen += 1


def test_nothing_is_taken_while_the_checkpoint_is_closed():
    reactor = Reactor()
    reactor.start()
    for _ in range(200):
        reactor.checkpoint.clear()
        reactor.box.append("answer")
        time.sleep(0.0005)
        assert reactor.box == ["answer"]
        reactor.box.clear()
        reactor.checkpoint.set()
    assert reactor.stolen == 0
    reactor.ended = True
    reactor.checkpoint.set()
    reactor.join(5)
    assert not reactor.is_alive()
    reactor.checkpoint.clear()  # a thread that has ended is not waited for


def test_pynetdicom_still_has_the_checkpoint_that_is_replaced():
    import inspect

    from pynetdicom.association import Association

    source = inspect.getsource(Association)
    assert source.count("self._reactor_checkpoint.wait()") >= 1
    assert source.count("self._reactor_checkpoint.clear()") >= 4
