"""/healthz and /metrics on loopback: for a service manager and for Prometheus."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from parties.errors import NodeError
from parties.node.children import ChildState
from parties.node.loopback import HOST
from parties.node.status import NodeStatus

PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"
REQUEST_S: Final = 5.0


def metrics(status: NodeStatus) -> str:
    """The status in Prometheus's text format."""
    activity = status.activity
    lines = [
        *_metric("up", "gauge", "Whether every process of the node runs.", status.healthy),
        *_metric("start_time_seconds", "gauge", "When the node was started.", status.started),
        *_metric(
            "child_up",
            "gauge",
            "Whether a process of the node runs.",
            {f'child="{c.name}"': c.state is ChildState.RUNNING for c in status.children},
        ),
        *_metric(
            "child_restarts_total",
            "counter",
            "How often a process was started again.",
            {f'child="{c.name}"': c.restarts for c in status.children},
        ),
        *_metric("session", "gauge", "Number of the session of the newest job.", activity.session),
        *_metric("step", "gauge", "Step of the stage the newest job is at.", activity.step),
        *_metric(
            "last_progress_seconds", "gauge", "When the newest job last went on.", activity.last
        ),
        *_metric(
            "sent_bytes_total",
            "counter",
            "Bytes handed to the wire in the newest job.",
            {_sender(key): count for key, count in activity.sent.items()},
        ),
        *_metric(
            "waited_for",
            "gauge",
            "Parties that the coordinator waits for.",
            {f'peer="{name}"': 1 for name in activity.missing},
        ),
    ]
    return "\n".join(lines) + "\n"


def _sender(key: str) -> str:
    party, _, stage = key.rpartition(" ")
    return f'peer="{party}",stage="{stage}"' if party else f'stage="{stage}"'


def _metric(name: str, kind: str, text: str, value: float | Mapping[str, float]) -> Iterator[str]:
    name = f"fedrecall_{name}"
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
    if isinstance(value, Mapping):
        yield from (f"{name}{{{labels}}} {float(each):.17g}" for labels, each in value.items())
    else:
        yield f"{name} {float(value):.17g}"


@contextmanager
def health_server(port: int, status: Callable[[], NodeStatus]) -> Iterator[int]:
    """Serve while the context lasts; yields the port, which is `port` unless that is 0.

    Args:
        port: on loopback; 0 takes a free one.
        status: asked for each answer, from any thread.

    Raises:
        NodeError: the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        """Answers one request."""

        timeout = REQUEST_S

        def do_GET(self) -> None:
            """Say how the node is."""
            if self.path == "/healthz":
                now = status()
                self._answer(200 if now.healthy else 503, "application/json", _brief(now))
            elif self.path == "/metrics":
                self._answer(200, PROMETHEUS, metrics(status()))
            else:
                self._answer(404, "text/plain", "here are /healthz and /metrics\n")

        def _answer(self, code: int, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: ANN401 - as the base class has it
            """Say nothing: a scrape every few seconds is no event."""

    try:
        server = ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise NodeError(
            f"the health port {port} on {HOST} cannot be used: {error.strerror}; choose another "
            "as health.port in party.toml"
        ) from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _brief(status: NodeStatus) -> str:
    children = {child.name: child.state.value for child in status.children}
    return json.dumps({"healthy": status.healthy, "party": status.party, "processes": children})
