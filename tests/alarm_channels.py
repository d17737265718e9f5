"""Who is told: a real SMTP server and a webhook receiver on loopback."""

from __future__ import annotations

import email
import json
import threading
import warnings
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from mpss_lib.runtime.services import free_port

SENDER, PERSON = "mpss@hospital.example", "it@hospital.example"


class Mailbox:
    """Keeps what was delivered; refuses while ``is_away``."""

    def __init__(self):
        self.mails, self.logins, self.is_away = [], [], False

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 -- aiosmtpd's name
        if self.is_away:
            return "451 later"
        assert envelope.mail_from == SENDER
        assert envelope.rcpt_tos == [PERSON]
        self.mails.append(email.message_from_bytes(envelope.content))
        return "250 taken"

    def admit(self, server, session, envelope, mechanism, data):
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=data.password == b"p@ss", handled=False)

    @property
    def subjects(self):
        return [
            str(email.header.make_header(email.header.decode_header(m["Subject"])))
            for m in self.mails
        ]


@contextmanager
def mail_server(*, with_login=False):
    """Give (mailbox, port) of a running SMTP server."""
    box = Mailbox()
    options = {"authenticator": box.admit, "auth_required": True, "auth_require_tls": False}
    controller = Controller(
        box, hostname="127.0.0.1", port=free_port(), **(options if with_login else {})
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a login without TLS, on loopback
        controller.start()
        try:
            yield box, controller.port
        finally:
            controller.stop()


class Hook:
    """Keeps what was posted; answers with ``status``."""

    def __init__(self):
        self.posts, self.status = [], 200


@contextmanager
def webhook_server():
    """Give (hook, address) of a running receiver."""
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if hook.status == 200:
                hook.posts.append(json.loads(body))
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hook, f"http://127.0.0.1:{server.server_port}/s3cret/path"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
