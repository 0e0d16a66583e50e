"""How an algorithm gets its input from Nexus and hands in its result.

Copy this file into your image. It needs nothing but Python, and no credentials: all it has to know
is in the environment of the run. A whole algorithm is then:

    from nexus_run import Run

    def double(payload):
        return {"doubled": 2 * payload["number"]}

    if __name__ == "__main__":
        Run().answer(double)

Everything sent from here may be sent twice without harm, so whatever may pass is tried again: a
Nexus that restarts, a network that stutters, an answer of "busy, come back later".
"""

import http.client
import itertools
import json
import os
import random
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from email.message import Message
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlsplit

LONG_POLL = "30s"
"""How long Nexus may hold the question for a result before it answers "not yet"."""

TIMEOUT_SECONDS = 45.0
"""For one try; longer than a long poll, so that only a Nexus that hangs runs into it."""

PATIENCE_SECONDS = 300.0
"""For all tries of one request: enough to sit out a restart, and results are dear to compute."""

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
"""Short enough that a run goes on soon after Nexus is back."""

WORTH_ANOTHER_TRY = frozenset({429, 500, 502, 503, 504})
"""Status codes that speak of Nexus's health and not of what was sent."""

FINISHED = frozenset({"COMPLETED", "FAILED", "SCHEDULING_FAILED", "DEADLINE_EXCEEDED", "CANCELLED"})


class AlgorithmError(Exception):
    """The algorithm can't give a result, and can say why.

    Raise it for what its caller should read, such as a payload that makes no sense. The run ends as
    `FAILED`, and is not tried again.
    """

    def __init__(self, cause: str, details: str = "") -> None:
        super().__init__(cause)
        self.details = details
        """What helps to look into it, such as the value at fault."""


class NexusError(Exception):
    """Nexus refused what this run sent, or could not be reached for too long.

    Left uncaught it ends the process with exit code 1, and the template says what that means.
    """


class Child(NamedTuple):
    """A run that this run started."""

    algorithm: str
    request_id: str


class Run:
    """This run, as Nexus knows it."""

    def __init__(
        self,
        environment: Mapping[str, str] = os.environ,
        *,
        payload_url: str = "",
        request_id: str = "",
        patience: float = PATIENCE_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Know the run by its environment.

        Templates can also hand the payload URL and the request id over as arguments of the command
        (`--sas-uri=%s`, `--request-id=%s`); given here, they win over the environment.
        """
        self._environment = environment
        self._payload_url = payload_url
        self._request_id = request_id
        self._patience = patience
        self._sleep = sleep
        self._children = itertools.count(1)

    @property
    def request_id(self) -> str:
        """The id of this run: a UUID."""
        return self._request_id or self._variable("NEXUS__REQUEST_ID")

    @property
    def algorithm(self) -> str:
        """The name of the template that this run was made from."""
        return self._variable("NEXUS__ALGORITHM_NAME")

    def answer(self, algorithm: Callable[[dict[str, Any]], object]) -> None:
        """Call the algorithm with the payload, and hand in what it returns.

        An `AlgorithmError` becomes the run's failure, told to its caller. Any other exception
        passes through: Python prints it and ends with exit code 1, and the template's
        `errorHandlingBehaviour` says whether that is worth another try. Told to end by SIGTERM, as
        when the run is cancelled or its deadline is over, the process ends with exit code 143.
        """
        _end_when_told()
        try:
            result = algorithm(self.read_payload())
        except AlgorithmError as error:
            self.fail(str(error), error.details)
        else:
            self.upload_result(result)
            self.complete()

    def read_payload(self) -> dict[str, Any]:
        """Return the `algorithmParameters` that the run was requested with."""
        payload_url = self._payload_url or self._variable("NEXUS__PAYLOAD_URL")
        return _json_object(self._send("GET", payload_url), payload_url)

    def upload_result(self, result: object) -> None:
        """Store the result: bytes as they are, anything else as JSON. A later one replaces it."""
        url = self._variable("NEXUS__RESULT_UPLOAD_URL")
        if isinstance(result, bytes):
            self._send("PUT", url, result, {"Content-Type": "application/octet-stream"})
        else:
            self._send("PUT", url, _encode(result), {"Content-Type": "application/json"})

    def complete(self) -> None:
        """End the run as `COMPLETED`; its result is what was uploaded before."""
        self._report({})

    def fail(self, cause: str, details: str = "") -> None:
        """End the run as `FAILED`: the cause is a sentence for the caller, the details explain."""
        self._report({"errorCause": cause, "errorDetails": details})

    def start_child(self, algorithm: str, parameters: dict[str, Any]) -> Child:
        """Start another algorithm with these parameters, as a child of this run.

        The n-th child of a run is started once, even if this run is tried a second time: it then
        finds the child of its first try, provided that it starts its children in the same order.
        Cancelling this run cancels its children.
        """
        url = f"{self._variable('NEXUS__SCHEDULER_URL')}/algorithm/run/{algorithm}"
        body = {
            "algorithmParameters": parameters,
            "parentRequest": {"requestId": self.request_id, "algorithmName": self.algorithm},
        }
        headers = {
            **self._as_json(),
            "Idempotency-Key": f"{self.request_id}-{next(self._children)}",
        }
        accepted = _json_object(self._send("POST", url, _encode(body), headers), url)
        return Child(algorithm, accepted["requestId"])

    def wait_for(self, child: Child) -> dict[str, Any]:
        """Wait until a child has finished, and return its result.

        The only bound is the deadline of this run, which its template sets.

        Raises:
            AlgorithmError: the child did not complete; names the child and tells its failure.
        """
        scheduler_url = self._variable("NEXUS__SCHEDULER_URL")
        results = f"{scheduler_url}/algorithm/results/{child.algorithm}/requests/{child.request_id}"
        url = f"{results}?wait={LONG_POLL}"
        while True:
            known = _json_object(self._send("GET", url, headers=self._as_json()), url)
            if known["status"] in FINISHED:
                break
            # A server that does not hold the question answers at once: don't ask in a tight loop.
            self._sleep(FIRST_PAUSE_SECONDS)
        if known["status"] != "COMPLETED":
            raise AlgorithmError(
                f"child run {child.algorithm}/{child.request_id} ended as {known['status']}",
                known.get("runErrorMessage", ""),
            )
        return _json_object(self._send("GET", known["resultUri"]), known["resultUri"])

    def _report(self, completion: dict[str, str]) -> None:
        receiver_url = self._variable("NEXUS__RECEIVER_URL")
        run = f"{self.algorithm}/requests/{self.request_id}"
        url = f"{receiver_url}/algorithm/v1/complete/{run}"
        self._send("POST", url, _encode(completion), self._as_json())

    def _as_json(self) -> dict[str, str]:
        """Return the headers for calls of the services: with a token, where the template sets one.

        Signed URLs need none, and must not be shown one.
        """
        token = self._environment.get("NEXUS_TOKEN", "")
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        return {"Content-Type": "application/json", **bearer}

    def _variable(self, name: str) -> str:
        value = self._environment.get(name, "")
        if not value:
            raise NexusError(f"{name} is not set: was this process started by Nexus?")
        return value

    def _send(
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        give_up_at = time.monotonic() + self._patience
        pauses = _growing_pauses()
        while True:
            try:
                return _try_once(method, url, body, headers or {})
            except _TryAgainError as error:
                pause = next(pauses) if error.retry_after is None else error.retry_after
                if time.monotonic() + pause > give_up_at:
                    raise NexusError(f"{error}; giving up") from error
                print(f"{error}; trying again in {pause:.1f} s", file=sys.stderr, flush=True)
                self._sleep(pause)


def _end_when_told() -> None:
    """Let SIGTERM end this process, unless it handles that signal in a way of its own.

    The first process of a container is spared signals that it doesn't handle: it would go on until
    its grace is over, half a minute, and then be killed.
    """
    # Python allows it in no other thread.
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


class _TryAgainError(Exception):
    """What was tried may succeed later; `retry_after` in seconds, where the answer said so."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def _try_once(method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> bytes:
    shown = f"{method} {_without_query(url)}"
    try:
        status, answer_headers, content = _exchange(method, url, body, headers)
    except (OSError, http.client.HTTPException) as error:
        raise _TryAgainError(f"{shown} failed: {error}") from error
    if status < HTTPStatus.BAD_REQUEST:
        return content
    refusal = f"{shown} answered {status}: {content[:500].decode(errors='replace')}"
    if status in WORTH_ANOTHER_TRY:
        raise _TryAgainError(refusal, _retry_after(answer_headers))
    raise NexusError(refusal)


def _exchange(
    method: str, url: str, body: bytes | None, headers: Mapping[str, str]
) -> tuple[int, Message, bytes]:
    # S310 warns of file: URLs; ours come from Nexus, as trusted as the command that it started.
    request = urllib.request.Request(url, body, dict(headers), method=method)  # noqa: S310
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)  # noqa: S310
    except urllib.error.HTTPError as refusal:
        answer = refusal  # an answer like any other, with a status of 400 or more
    with answer:
        return answer.status, answer.headers, answer.read()


def _growing_pauses() -> Iterator[float]:
    """Go through pauses in seconds, without end.

    Random ones: a thousand runs that were refused together must not come back together.
    """
    chance = random.SystemRandom()
    bound = FIRST_PAUSE_SECONDS
    while True:
        yield chance.uniform(bound / 2, bound)
        bound = min(2 * bound, LONGEST_PAUSE_SECONDS)


def _retry_after(headers: Message) -> float | None:
    value = headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else None


def _without_query(url: str) -> str:
    """Return a URL fit for a log: the query of a signed URL is a key."""
    return urlsplit(url)._replace(query="").geturl()


def _encode(value: object) -> bytes:
    # JSON knows no NaN, and whoever reads this may not be Python: better to stop here.
    return json.dumps(value, allow_nan=False).encode()


def _json_object(content: bytes, url: str) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError as error:
        raise NexusError(f"{_without_query(url)} holds no JSON: {error}") from error
    if not isinstance(value, dict):
        raise NexusError(f"{_without_query(url)} holds no JSON object")
    return value
