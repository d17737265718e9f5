"""Questions to an API server that does not answer each time: a server over sockets."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mpss_lib.errors import PlatformFaultError
from mpss_lib.runtime import airflow_client
from mpss_lib.runtime.airflow_client import AirflowClient


@pytest.fixture
def server():
    """Give a server that answers with the statuses it is told, then always with success."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked += 1
            status = self.server.statuses.pop(0) if self.server.statuses else 200
            if status is None:
                self.close_connection = True  # without a word
                return None
            self.send_response(status)
            self.end_headers()
            return self.wfile.write(json.dumps({"state": "success"}).encode())

        def log_message(self, *_):
            pass

    class Quiet(ThreadingHTTPServer):
        statuses: list
        asked = 0

    with Quiet(("127.0.0.1", 0), Handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


def client_of(server):
    return AirflowClient(f"http://127.0.0.1:{server.server_address[1]}", "secret")


@pytest.mark.parametrize("statuses", [[500], [503, None], [None, 502]])
def test_a_question_is_asked_again(server, statuses):
    server.statuses = list(statuses)
    assert client_of(server).run_state("mpss_ingest", "a run") == "success"
    assert server.asked == len(statuses) + 1


def test_an_answer_that_says_no_is_final(server):
    server.statuses = [404]
    with pytest.raises(PlatformFaultError, match="dagRuns/a%20run: HTTP Error 404"):
        client_of(server).run_state("mpss_ingest", "a run")
    assert server.asked == 1


def test_patience_ends_and_names_the_log(server, monkeypatch):
    monkeypatch.setattr(airflow_client, "READ_FOR_S", 1.0)
    server.statuses = [500] * 9
    with pytest.raises(PlatformFaultError, match="HTTP Error 500") as caught:
        client_of(server).run_state("mpss_ingest", "a run")
    assert caught.value.way_out == "read logs/api-server.log in the home"
    assert 1 < server.asked < 9
