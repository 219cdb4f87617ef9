from itertools import product

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from federation.errors import OutOfTurnError
from federation.protocol.conversation import TRANSITIONS, Conversation, Phase, advance
from federation.protocol.messages import (
    ClearGradients,
    EpochEnd,
    Goodbye,
    GradientKey,
    Greeting,
    Holdings,
    ItemDoubled,
    ItemPoints,
    KeyConfirmation,
    MaskedProducts,
    Message,
    PartnerDoubled,
    PartnerPoints,
    ProductSums,
    ResumeFrom,
    SealedGradients,
    Slots,
    StartAfresh,
    Stopped,
    SummingKey,
    TrainingEnd,
)
from federation.protocol.profile import Profile
from tests.federation.protocol.examples import MESSAGES

# Spelled out again on purpose: the table under test must not be its own judge.
ALIGNMENT = {
    (Phase.GREETED, Holdings): Phase.OFFERED,
    (Phase.OFFERED, StartAfresh): Phase.ALIGNING,
    (Phase.OFFERED, ResumeFrom): Phase.ALIGNED,
    (Phase.ALIGNING, ItemPoints): Phase.ITEM_BLINDED,
    (Phase.ITEM_BLINDED, PartnerPoints): Phase.BOTH_BLINDED,
    (Phase.BOTH_BLINDED, ItemDoubled): Phase.ITEM_DOUBLED,
    (Phase.ITEM_DOUBLED, PartnerDoubled): Phase.BOTH_DOUBLED,
    (Phase.BOTH_DOUBLED, Slots): Phase.ALIGNED,
}
ALLOWED: dict[Profile, dict[tuple[Phase, type[Message]], Phase]] = {
    Profile.STRICT: {
        **ALIGNMENT,
        (Phase.ALIGNED, SummingKey): Phase.KEYED,
        (Phase.KEYED, GradientKey): Phase.TRAINING,
        (Phase.TRAINING, SealedGradients): Phase.MULTIPLYING,
        (Phase.MULTIPLYING, MaskedProducts): Phase.SUMMING,
        (Phase.SUMMING, ProductSums): Phase.TRAINING,
        (Phase.TRAINING, EpochEnd): Phase.TRAINING,
        (Phase.TRAINING, TrainingEnd): Phase.SERVING,
        (Phase.SERVING, Goodbye): Phase.CLOSED,
    },
    Profile.FROZEN: {
        **ALIGNMENT,
        (Phase.ALIGNED, SummingKey): Phase.SERVING,
        (Phase.SERVING, Goodbye): Phase.CLOSED,
    },
    Profile.PLAIN: {
        **ALIGNMENT,
        (Phase.ALIGNED, SummingKey): Phase.TRAINING,
        (Phase.TRAINING, ClearGradients): Phase.TRAINING,
        (Phase.TRAINING, EpochEnd): Phase.TRAINING,
        (Phase.TRAINING, TrainingEnd): Phase.SERVING,
        (Phase.SERVING, Goodbye): Phase.CLOSED,
    },
}
FRESH = (
    Holdings(b"", ()),
    StartAfresh(),
    ItemPoints(b""),
    PartnerPoints(b""),
    ItemDoubled(b""),
    PartnerDoubled(b""),
    Slots(b"", 0, b""),
    SummingKey(b""),
)
ENDS = (EpochEnd(0, best=True), TrainingEnd(1, best=True), Goodbye())


def trained(profile: Profile, *rest: Message) -> Conversation:
    """A conversation that is ready for its first step."""
    conversation = Conversation(profile)
    keys = (GradientKey(b""),) if profile is Profile.STRICT else ()
    for message in (*FRESH, *keys, *rest):
        conversation.advance(message)
    return conversation


def phase_of(conversation: Conversation) -> Phase:
    """The phase, without the type checker's belief that it is what it was a line before."""
    return conversation.phase


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize(
    ("phase", "message"),
    [*product(Phase, MESSAGES.values())],
    ids=lambda value: value.name if isinstance(value, Phase) else type(value).__name__,
)
def test_only_planned_messages_are_accepted(
    profile: Profile, phase: Phase, message: Message
) -> None:
    expected = ALLOWED[profile].get((phase, type(message)))
    if isinstance(message, Stopped) and phase is not Phase.CLOSED:
        expected = Phase.CLOSED

    if expected is not None:
        assert advance(profile, phase, message) is expected
    else:
        with pytest.raises(OutOfTurnError, match=f"in {phase.name} under {profile.value}"):
            advance(profile, phase, message)


def test_every_profile_has_a_table_that_nobody_can_change() -> None:
    assert set(TRANSITIONS) == set(Profile)
    with pytest.raises(TypeError):
        TRANSITIONS[Profile.STRICT] = {}  # type: ignore[index]
    with pytest.raises(TypeError):
        TRANSITIONS[Profile.STRICT][Phase.GREETED, Goodbye] = Phase.CLOSED  # type: ignore[index]


@pytest.mark.parametrize("profile", Profile)
def test_every_phase_that_can_be_reached_leads_to_the_end(profile: Profile) -> None:
    table = TRANSITIONS[profile]
    ending = {Phase.CLOSED}
    for _ in Phase:
        ending |= {before for (before, _), after in table.items() if after in ending}

    assert {before for before, _ in table} | set(table.values()) == ending


def test_under_strict_no_gradient_can_be_said_in_the_clear() -> None:
    assert ClearGradients not in {kind for _, kind in TRANSITIONS[Profile.STRICT]}
    assert SealedGradients not in {kind for _, kind in TRANSITIONS[Profile.PLAIN]}
    gradients = {ClearGradients, SealedGradients, MaskedProducts, ProductSums}
    assert gradients.isdisjoint(kind for _, kind in TRANSITIONS[Profile.FROZEN])


def test_a_whole_strict_conversation_closes() -> None:
    conversation = trained(Profile.STRICT)
    for step in (0, 1, 5):
        conversation.advance(SealedGradients(step, ()))
        conversation.advance(MaskedProducts(step, ()))
        conversation.advance(ProductSums(step, b""))
    for message in ENDS:
        conversation.advance(message)

    assert phase_of(conversation) is Phase.CLOSED


def test_a_whole_plain_conversation_closes() -> None:
    conversation = trained(Profile.PLAIN, ClearGradients(0, b""), ClearGradients(3, b""), *ENDS)

    assert phase_of(conversation) is Phase.CLOSED


def test_a_whole_frozen_conversation_closes() -> None:
    assert trained(Profile.FROZEN, Goodbye()).phase is Phase.CLOSED


def test_a_resumed_conversation_skips_the_alignment() -> None:
    conversation = Conversation(Profile.FROZEN)
    for message in (Holdings(b"x", (1,)), ResumeFrom(1, finished=True), SummingKey(b"")):
        conversation.advance(message)

    assert phase_of(conversation) is Phase.SERVING


@pytest.mark.parametrize("step", [4, 3, 0])
def test_a_replayed_step_is_refused_under_strict(step: int) -> None:
    conversation = trained(
        Profile.STRICT, SealedGradients(4, ()), MaskedProducts(4, ()), ProductSums(4, b"")
    )

    with pytest.raises(OutOfTurnError, match=f"step {step} was answered before"):
        conversation.advance(SealedGradients(step, ()))
    assert phase_of(conversation) is Phase.TRAINING

    conversation.advance(SealedGradients(5, ()))
    assert phase_of(conversation) is Phase.MULTIPLYING


@pytest.mark.parametrize("step", [4, 3, 0])
def test_a_replayed_step_is_refused_under_plain(step: int) -> None:
    conversation = trained(Profile.PLAIN, ClearGradients(4, b""))

    with pytest.raises(OutOfTurnError, match=f"step {step} was answered before"):
        conversation.advance(ClearGradients(step, b""))

    conversation.advance(ClearGradients(5, b""))
    assert phase_of(conversation) is Phase.TRAINING


@pytest.mark.parametrize("step", [3, 5])
def test_products_of_another_step_are_refused(step: int) -> None:
    conversation = trained(Profile.STRICT, SealedGradients(4, ()))

    with pytest.raises(OutOfTurnError, match=f"step {step} is not the open one, 4"):
        conversation.advance(MaskedProducts(step, ()))
    assert phase_of(conversation) is Phase.MULTIPLYING

    conversation.advance(MaskedProducts(4, ()))
    with pytest.raises(OutOfTurnError, match=f"step {step} is not the open one, 4"):
        conversation.advance(ProductSums(step, b""))
    assert phase_of(conversation) is Phase.SUMMING

    conversation.advance(ProductSums(4, b""))
    assert phase_of(conversation) is Phase.TRAINING


def test_a_message_that_was_only_checked_was_not_said() -> None:
    conversation = trained(Profile.STRICT)
    conversation.check(SealedGradients(4, ()))
    assert phase_of(conversation) is Phase.TRAINING

    conversation.advance(SealedGradients(4, ()))
    with pytest.raises(OutOfTurnError, match="step 5 is not the open one, 4"):
        conversation.check(MaskedProducts(5, ()))


def test_steps_stay_used_up_over_the_end_of_an_epoch() -> None:
    conversation = trained(Profile.PLAIN, ClearGradients(4, b""), EpochEnd(0, best=True))

    with pytest.raises(OutOfTurnError, match="answered before"):
        conversation.advance(ClearGradients(4, b""))


@pytest.mark.parametrize("profile", Profile)
def test_nothing_can_be_said_after_the_end(profile: Profile) -> None:
    conversation = Conversation(profile)
    conversation.advance(Stopped("enough"))

    for message in MESSAGES.values():
        with pytest.raises(OutOfTurnError, match="CLOSED"):
            conversation.advance(message)
    assert phase_of(conversation) is Phase.CLOSED


@pytest.mark.parametrize("message", [MESSAGES[0], KeyConfirmation()], ids=["greeting", "keys"])
@pytest.mark.parametrize("phase", Phase)
def test_what_belongs_to_the_link_is_no_part_of_a_conversation(
    phase: Phase, message: Greeting | KeyConfirmation
) -> None:
    with pytest.raises(OutOfTurnError):
        advance(Profile.STRICT, phase, message)


class JoinedPair(RuleBasedStateMachine):
    """Two ends of a conversation in which an attacker slips in any message at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.ends = (Conversation(Profile.STRICT), Conversation(Profile.STRICT))
        self.step = -1

    @rule(message=st.sampled_from([*MESSAGES.values()]))
    @precondition(lambda self: self.ends[0].phase is not Phase.CLOSED)
    def say(self, message: Message) -> None:
        """What one end may say, the other takes; what it may not, leaves both as they were."""
        before = self.ends[0].phase
        try:
            self.ends[0].advance(message)
        except OutOfTurnError:
            assert self.ends[0].phase is before
            with pytest.raises(OutOfTurnError):
                self.ends[1].advance(message)
        else:
            self.ends[1].advance(message)

    @rule(lead=st.integers(-3, 3))
    @precondition(lambda self: self.ends[0].phase is Phase.TRAINING)
    def open_step(self, lead: int) -> None:
        """A step opens if and only if its number is above all earlier ones."""
        step = self.step + lead
        for end in self.ends:
            if lead < 1:
                with pytest.raises(OutOfTurnError):
                    end.advance(SealedGradients(step, ()))
            else:
                end.advance(SealedGradients(step, ()))
                end.advance(MaskedProducts(step, ()))
                end.advance(ProductSums(step, b""))
        self.step = max(step, self.step)

    @rule()
    def restart(self) -> None:
        """Begin anew, right before the first step."""
        self.ends = (trained(Profile.STRICT), trained(Profile.STRICT))
        self.step = -1

    @invariant()
    def both_ends_agree(self) -> None:
        assert self.ends[0].phase is self.ends[1].phase


JoinedPair.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
TestJoinedPair = JoinedPair.TestCase
