"""The programs that ask a service for its health, as engines of containers run them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from nexus_core.settings.sections import Listen, ServiceSettings
from nexus_core.web.health import run_health


class Settings(ServiceSettings, frozen=True):
    """Of a service that listens."""

    listen: Listen = Listen(host="0.0.0.0")  # noqa: S104 - as in a container


class _Living(BaseHTTPRequestHandler):
    """A service that lives, and is not ready."""

    def do_GET(self) -> None:
        lives = self.path == "/livez"
        self.send_response(200 if lives else 503)
        self.end_headers()
        self.wfile.write(b"ok" if lives else b"cassandra is away")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _a_service() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), _Living) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def _asked(monkeypatch: pytest.MonkeyPatch, port: int, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["nexus-health", *arguments])
    monkeypatch.setenv("NEXUS__LISTEN__PORT", str(port))
    return run_health("nexus-health", Settings, lambda own: (own.listen,))


def test_a_service_that_lives_is_healthy_though_it_is_not_ready(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with _a_service() as port:
        assert _asked(monkeypatch, port) == 0
    assert capsys.readouterr() == ("", "")


def test_asked_whether_it_is_ready_it_tells_why_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with _a_service() as port:
        assert _asked(monkeypatch, port, "--ready") == 1
    assert f"127.0.0.1:{port}/readyz answers 503: cassandra is away" in capsys.readouterr().err


def test_where_nobody_listens_there_is_no_health(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with _a_service() as port:
        pass
    assert _asked(monkeypatch, port) == 1
    assert f"127.0.0.1:{port}/livez" in capsys.readouterr().err


def test_settings_that_cant_be_read_are_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NEXUS__LOG_LEVLE", "debug")

    assert _asked(monkeypatch, 1) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "NEXUS__LOG_LEVLE" in said


def test_all_of_several_addresses_have_to_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["nexus-health"])
    with _a_service() as port, _a_service() as gone:
        both = (Listen(port=port), Listen(port=gone))
        assert run_health("nexus-health", Settings, lambda _: both) == 0
    with _a_service() as port:
        both = (Listen(port=port), Listen(port=gone))
        assert run_health("nexus-health", Settings, lambda _: both) == 1
