"""Keys of a small federation, made once, and nodes that use copies of them."""

import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from parties.keys import make_federation_keys, open_authority, request_of
from parties.keys.certificates import Validity, issue
from parties.role import Role
from tests.parties.node.files import COORDINATOR, ITEM, PARTNER, with_ports, write

NodeMaker = Callable[..., Path]


def aged_certificate(authority: Path, keys: Path, age: dt.timedelta) -> bytes:
    """A party's certificate of 20 days, signed so long from now; no ceremony gives such ones."""
    validity = Validity.from_now(dt.datetime.now(dt.UTC) + age, days=20)
    signer = open_authority(authority).signer
    return issue(signer, request_of(keys), validity).public_bytes(Encoding.PEM)


@pytest.fixture(scope="session")
def made_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Never to be changed: everyone's key folders and the roster."""
    folder = tmp_path_factory.mktemp("keys") / "made"
    make_federation_keys(folder, ["social", "forum"])
    return folder


@pytest.fixture(scope="session")
def other_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of another federation, whose parties have the same names."""
    folder = tmp_path_factory.mktemp("keys") / "other"
    make_federation_keys(folder, ["social", "forum"])
    return folder


@pytest.fixture
def node(tmp_path: Path, made_keys: Path) -> NodeMaker:
    """Makes the folder of a node of a role that has nothing to mend but its lines."""

    def make(role: Role, text: str = "", **ports: int) -> Path:
        whole = {Role.COORDINATOR: COORDINATOR, Role.ITEM: ITEM, Role.PARTNER: PARTNER}[role]
        folder = tmp_path / role.value
        name = "social" if role is Role.PARTNER else role.value
        shutil.copytree(made_keys / name, folder / "keys")
        shutil.copy(made_keys / "roster.toml", folder)
        (folder / "users.csv").write_text("user_id,age,city\nu1,31,Pisa\nu2,,Bari\n")
        (folder / "events.csv").write_text("user_id,item_id\nu1,a\nu1,b\nu2,a\n")
        for table in folder.glob("*.csv"):
            table.chmod(0o600)
        return write(folder, with_ports(whole, ports) + text)

    return make
