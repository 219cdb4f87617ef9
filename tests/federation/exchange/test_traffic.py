import pytest

from federation.exchange.traffic import Release, Traffic
from federation.protocol.codec import KINDS
from federation.protocol.messages import Message
from tests.federation.protocol.examples import MESSAGES

# Spelled out again on purpose: the table under test must not be its own judge.
STAGE = {
    "ItemPoints": "alignment",
    "PartnerPoints": "alignment",
    "ItemDoubled": "alignment",
    "PartnerDoubled": "alignment",
    "Slots": "alignment",
    "Activations": "forward",
    "SummedActivations": "forward",
    "ClearGradients": "backward",
    "SealedGradients": "backward",
    "MaskedProducts": "backward",
    "ProductSums": "backward",
    "Greeting": "control",
    "Holdings": "control",
    "StartAfresh": "control",
    "ResumeFrom": "control",
    "SummingKey": "control",
    "GradientKey": "control",
    "Collected": "control",
    "EpochEnd": "control",
    "TrainingEnd": "control",
    "Goodbye": "control",
    "Stopped": "control",
    "KeyConfirmation": "control",
    "ProgressReport": "control",
}


@pytest.mark.parametrize("message", MESSAGES.values(), ids=lambda m: type(m).__name__)
def test_every_message_is_counted_in_its_stage(message: Message) -> None:
    traffic = Traffic()
    traffic.count(message, 10)
    traffic.count(message, 5)

    stage = STAGE[type(message).__name__]
    assert traffic.bytes_by_stage()[stage] == 15
    assert traffic.frames_by_stage()[stage] == 2
    assert sum(traffic.bytes_by_stage().values()) == 15
    assert sum(traffic.frames_by_stage().values()) == 2


def test_the_stages_of_all_messages_are_spelled_out() -> None:
    assert set(STAGE) == {kind.__name__ for kind in KINDS}


def test_a_party_that_sent_nothing_has_every_stage_at_nought() -> None:
    nought = {"alignment": 0, "forward": 0, "backward": 0, "control": 0}

    assert Traffic().bytes_by_stage() == Traffic().frames_by_stage() == nought


def test_a_reader_cannot_change_the_counts() -> None:
    traffic = Traffic()
    traffic.bytes_by_stage()["control"] = 99

    assert traffic.bytes_by_stage()["control"] == 0


# Spelled out again, as the stages are.
STEPPED = {
    "Activations",
    "SummedActivations",
    "Collected",
    "ClearGradients",
    "SealedGradients",
    "MaskedProducts",
    "ProductSums",
}


@pytest.mark.parametrize("message", MESSAGES.values(), ids=lambda m: type(m).__name__)
def test_a_release_names_kind_stage_and_step(message: Message) -> None:
    kind = type(message).__name__
    release = Release.of(message, "item", 99)

    assert (release.recipient, release.kind, release.bytes) == ("item", kind, 99)
    assert release.stage.value == STAGE[kind]
    assert (release.step is not None) == (kind in STEPPED)
    assert release.step == getattr(message, "step", None)


def test_a_release_shows_no_payload() -> None:
    releases = [Release.of(message, "item", 1) for message in MESSAGES.values()]

    assert "PAYLOAD" not in repr(releases)
