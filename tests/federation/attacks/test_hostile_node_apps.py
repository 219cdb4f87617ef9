"""Apps that a node should not run, brought by a server that says they are fine."""

import hashlib
import io
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from flwr.app import Context, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from federation.exchange.flower_bundle import build_bundle, bundle_hash
from federation.exchange.flower_runtime import TASKS, Post, TaskInput
from federation.exchange.flower_task import TaskOrder, _reply
from tests.federation.exchange.flower_network import app_bundle

LISTED = build_bundle()
MIB = 1 << 20


@pytest.fixture(autouse=True)
def unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where an app would be unpacked."""
    folder = tmp_path / "unpacked"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("FLWR_HOME", str(folder))
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 8, 7, 1
    yield folder
    assert list(folder.iterdir()) == []  # whatever happened, nothing of an app is left


def told(app: bytes, *, allowed: tuple[str, ...], kind: str = Post.NODE.value) -> str:
    """What the coordinator is answered for an app; the app must not have run."""
    message = Message(RecordDict(), 9, "train.session", ttl=60)
    message.metadata.__dict__["_message_id"] = "an order"
    context = Context(run_id=7, node_id=9, node_config={}, state=RecordDict(), run_config={})
    order = TaskOrder(
        party="social",
        post=Post.NODE,
        kind=kind,
        address="127.0.0.1:1",
        authority="",
        token="",
        allowed=allowed,
    )
    reply, failure = _reply(order, TaskInput(message=message, context=context, app=app))
    assert reply.has_error()
    assert failure == reply.error.reason
    return failure


def fab(files: Mapping[str, bytes], *, compressed: bool = False) -> bytes:
    """A bundle as Flower reads it: files, and a list of their digests."""
    packed = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(packed, "w", method) as bundle:
        for name, data in files.items():
            bundle.writestr(name, data)
        listed = [
            f"{name},{hashlib.sha256(data).hexdigest()},{8 * len(data)}"
            for name, data in files.items()
        ]
        bundle.writestr(".info/CONTENT", "\n".join(listed) + "\n")
    return packed.getvalue()


def of(app: bytes) -> str:
    return hashlib.sha256(app).hexdigest()


def with_a_comment(app: bytes) -> bytes:
    """The same files, and a hash that is another: a ZIP may end with any words."""
    packed = io.BytesIO(app)
    with zipfile.ZipFile(packed, "a") as bundle:
        bundle.comment = b"reviewed"
    return packed.getvalue()


ALTERED: Mapping[str, bytes] = {
    "another app": app_bundle("other"),
    "a byte more": LISTED + b"\x00",
    "a byte in front": b"\x00" + LISTED,
    "a comment": with_a_comment(LISTED),
    "a bomb": fab({"pyproject.toml": bytes(64 * MIB)}, compressed=True),
    "nothing": b"",
}


@pytest.mark.parametrize("change", ALTERED)
def test_an_app_that_is_not_the_listed_one_to_the_last_byte_is_not_even_unpacked(
    change: str,
) -> None:
    begun = time.monotonic()
    reason = told(ALTERED[change], allowed=(of(LISTED),))
    assert "allow-list" in reason
    assert of(ALTERED[change]) in reason
    assert time.monotonic() - begun < 1


@pytest.mark.parametrize(
    "spelt",
    [of(LISTED).upper(), of(LISTED)[:32], f" {of(LISTED)}", f"sha256:{of(LISTED)}", "", "*"],
)
def test_a_hash_that_is_spelt_otherwise_lists_nothing(spelt: str) -> None:
    assert "allow-list" in told(LISTED, allowed=(spelt,))


@pytest.mark.parametrize("kind", [each for each in TASKS if each != Post.NODE.value])
def test_a_listed_app_is_run_as_nothing_but_a_client(kind: str) -> None:
    assert f"runs no {kind} tasks" in told(LISTED, allowed=(of(LISTED),), kind=kind)


def test_a_listed_bundle_cannot_leave_the_folder_it_is_unpacked_into(tmp_path: Path) -> None:
    """Whoever reviewed it looked at its code; the program looks at its paths."""
    for name in ("../../escaped", f"{tmp_path}/escaped", "a/../../../escaped"):
        app = fab({name: b"x", "pyproject.toml": b"[project]\n"})
        assert "failed with" in told(app, allowed=(of(app),))
    assert not list(tmp_path.rglob("escaped*"))


def test_a_listed_bundle_that_is_none_is_answered_with_the_kind_of_the_error_alone() -> None:
    app = b"PK\x03\x04 users.csv of Ann"
    reason = told(app, allowed=(of(app),))
    assert reason == "the app at social failed with BadZipFile; its log says why"


def test_the_shipped_bundle_is_a_name_and_two_references() -> None:
    """So thin that what runs is what each party has installed, and the hash says nothing of it."""
    with zipfile.ZipFile(io.BytesIO(LISTED)) as bundle:
        assert set(bundle.namelist()) == {"pyproject.toml", ".info/CONTENT"}
        text = bundle.read("pyproject.toml").decode()
    assert 'serverapp = "parties.apps:server"' in text
    assert 'clientapp = "parties.apps:client"' in text
    assert of(LISTED) == bundle_hash()
