"""All that the hub carries in whole runs, searched for what no outsider may see."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest

from federation.exchange import link as link_module
from federation.protocol.codec import encode_message
from federation.protocol.messages import Message, Stopped
from federation.protocol.profile import Profile
from parties.seeds import party_seed
from simulations import federation
from simulations.federation import Scenario, run_federation
from tests.federation.attacks.hubs import RecordingHub
from tests.federation.attacks.tiny import (
    COLUMN,
    LISTENER,
    SONG,
    VALUE,
    tiny_scenario,
    user,
    write_folder,
)
from tests.federation.exchange.line import NAMES, Line, greet_all
from towers.encoders import fit_encoder
from towers.features import Floats
from towers.projection import FixedProjection, Projection

WORDS = [word.encode() for word in (LISTENER, SONG, COLUMN, VALUE)]
ROWS = 12  # of each partner's matrices, searched for
WINDOW = 4  # numbers side by side that make a needle: 16 bytes, beyond any chance


@dataclass
class Evidence:
    """What one run left: its frames as carried, and its messages before they were sealed."""

    scenario: Scenario
    frames: list[bytes] = field(default_factory=list)
    unsealed: list[bytes] = field(default_factory=list)


def record(scenario: Scenario) -> Evidence:
    evidence = Evidence(scenario)
    lock = threading.Lock()

    class Hub(RecordingHub):
        def deliver(self, sender: str, data: bytes) -> None:
            with lock:
                evidence.frames.append(data)
            super().deliver(sender, data)

    def encode(message: Message) -> bytes:
        body = encode_message(message)
        with lock:
            evidence.unsealed.append(body)
        return body

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(federation, "MemoryHub", Hub)
        patch.setattr(link_module, "encode_message", encode)
        run_federation(scenario)
    return evidence


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[Profile, Evidence]:
    folder = write_folder(tmp_path_factory.mktemp("tiny"))
    return {profile: record(tiny_scenario(folder, profile)) for profile in Profile}


def found(needles: Iterable[bytes], hay: Iterable[bytes]) -> int:
    """How many of the needles occur anywhere in the hay."""
    whole = b"\xff".join(hay)
    return sum(needle in whole for needle in needles)


def windows(matrix: Floats) -> list[bytes]:
    """Bytes of a few numbers of each of the first rows, as float32 and as float64."""
    some = matrix[:ROWS, :WINDOW]
    return [row.astype(kind).tobytes() for row in some for kind in ("<f4", "<f8")]


def encodings(scenario: Scenario) -> list[Floats]:
    """phi of every partner."""
    encoder = scenario.config.encoder
    return [
        fit_encoder(data.features, encoder, seed=party_seed(scenario.config.seed, name))
        for name, data in scenario.partners.items()
    ]


def embeddings(scenario: Scenario) -> list[Floats]:
    """h of every partner in the first step, or under `frozen` in the only one."""
    config = scenario.config
    hidden = []
    for name, phi in zip(scenario.partners, encodings(scenario), strict=True):
        seed, shape = party_seed(config.seed, name), (phi.shape[1], config.dim)
        first: Callable[[Floats], Floats] = Projection(shape, config.projection, seed=seed).forward
        if config.profile is Profile.FROZEN:
            first = FixedProjection(shape, seed=seed).forward
        hidden.append(first(phi))
    return hidden


def test_the_search_finds_embeddings_where_they_are_in_the_clear(
    runs: dict[Profile, Evidence],
) -> None:
    evidence = runs[Profile.PLAIN]

    for hidden in embeddings(evidence.scenario):
        assert found(windows(hidden), evidence.unsealed) >= 0.9 * ROWS


def test_the_search_finds_words_in_unsealed_messages_and_not_in_sealed_ones() -> None:
    line = Line()
    hub = RecordingHub(NAMES, line.limits)
    links = line.links(hub)
    greet_all(links)
    message = Stopped(f"{user(3)} played {SONG}7: {COLUMN} is {VALUE}")
    links["item"].post("social", message)

    assert found(WORDS, [encode_message(message)]) == len(WORDS)
    assert found(WORDS, [frame for _, frame in hub.deliveries]) == 0


@pytest.mark.parametrize("profile", Profile)
def test_no_identifier_song_or_feature_name_is_carried(
    profile: Profile, runs: dict[Profile, Evidence]
) -> None:
    evidence = runs[profile]
    assert evidence.scenario.item.users[3] == user(3)

    assert found(WORDS, evidence.frames) == 0
    assert found(WORDS, evidence.unsealed) == 0  # not even between the parties


@pytest.mark.parametrize("profile", Profile)
def test_no_embedding_is_carried(profile: Profile, runs: dict[Profile, Evidence]) -> None:
    evidence = runs[profile]

    for matrix in (*encodings(evidence.scenario), *embeddings(evidence.scenario)):
        assert found(windows(matrix), evidence.frames) == 0


@pytest.mark.parametrize("profile", [Profile.STRICT, Profile.FROZEN])
def test_where_sums_are_encrypted_no_party_is_shown_an_embedding(
    profile: Profile, runs: dict[Profile, Evidence]
) -> None:
    evidence = runs[profile]

    for matrix in (*encodings(evidence.scenario), *embeddings(evidence.scenario)):
        assert found(windows(matrix), evidence.unsealed) == 0


@pytest.mark.parametrize("profile", Profile)
def test_no_two_sealed_bodies_are_alike(profile: Profile, runs: dict[Profile, Evidence]) -> None:
    tails = [frame[-32:] for frame in runs[profile].frames]

    assert len(set(tails)) == len(tails)
