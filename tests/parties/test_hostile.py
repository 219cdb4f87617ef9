"""A peer that does not follow the protocol: a typed error, and nothing has changed."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from federation.crypto.batch_gradient import GradientOpener, ProductMaker
from federation.crypto.cipher import Payloads
from federation.errors import (
    FederationError,
    ForeignKeyError,
    MalformedError,
    OutOfTurnError,
    ReplayedError,
    TooLargeError,
    UnknownPeerError,
)
from federation.exchange.link import Link
from federation.protocol.collecting import WINDOW
from federation.protocol.messages import (
    Activations,
    ClearGradients,
    Collected,
    EpochEnd,
    Goodbye,
    GradientKey,
    Holdings,
    MaskedProducts,
    Message,
    ProductSums,
    ProgressReport,
    ResumeFrom,
    SealedGradients,
    StartAfresh,
    SummedActivations,
    SummingKey,
    TrainingEnd,
)
from federation.protocol.profile import Profile
from parties.alignment import align_item, align_partner
from parties.ciphers import forward_cipher, gradient_config
from parties.config import COORDINATOR, ITEM, RunConfig
from parties.events import Progress
from parties.talk import Talk
from tests.parties.harness import JOB, Ended, Script, Table, make_world, run_against, tiny

ROWS = 256  # 150 users: two groups of 128, one batch an epoch
WORLD = make_world("forum", users=150)
PLAIN = tiny(Profile.PLAIN)
STRICT = tiny(Profile.STRICT, exchange__accept_single_partner=True)
FROZEN = tiny(Profile.FROZEN)
DIM = 32
ZEROS = np.zeros((ROWS, DIM), "<f4").tobytes()

Refusal = tuple[type[FederationError], str]
Lie = Callable[[Link], None]


def table_of(config: RunConfig, folder: Path | None = None) -> Table:
    return Table(config=config, partners=("forum",), folder=folder)


# --- a hostile item party, against a real partner and coordinator ---


def lead(link: Link, lie: Lie, *, config: RunConfig) -> None:
    """Follow the protocol until the partner waits for the gradient of step 0, then lie."""
    talk = Talk(link, "forum", config.profile)
    talk.hear(Holdings)
    talk.say(StartAfresh())
    rng = np.random.default_rng(0)
    align_item({"forum": talk}, WORLD.item.users, config.alignment, job=JOB, rng=rng)
    key = SummingKey(forward_cipher(config, 1).key_pair().public)
    link.post(COORDINATOR, key)
    talk.say(key)
    if config.profile is not Profile.STRICT:
        link.receive(COORDINATOR, SummedActivations)
    lie(link)


def against_partner(config: RunConfig, lie: Lie, folder: Path) -> tuple[Ended, Table]:
    table = table_of(config, folder)
    return run_against(table, WORLD, {ITEM: partial(lead, lie=lie, config=config)}), table


def send(*messages: Message) -> Lie:
    def lie(link: Link) -> None:
        for message in messages:
            link.post("forum", message)

    return lie


NAN = np.full((ROWS, DIM), np.nan, "<f4").tobytes()
CLEAR: dict[str, tuple[Lie, Refusal]] = {
    "short": (send(ClearGradients(0, ZEROS[:-4])), (MalformedError, "do not hold 256 x 32")),
    "long": (send(ClearGradients(0, ZEROS + bytes(4))), (MalformedError, "do not hold 256 x 32")),
    "nan": (send(ClearGradients(0, NAN)), (MalformedError, "not finite")),
    "later step": (send(ClearGradients(1, ZEROS)), (MalformedError, "step from item is 1")),
    "sealed": (send(SealedGradients(0, ())), (OutOfTurnError, "SealedGradients")),
    "no gradient": (send(EpochEnd(0, best=True)), (OutOfTurnError, "EpochEnd")),
    "goodbye": (send(Goodbye()), (OutOfTurnError, "Goodbye")),
    "second greeting": (send(StartAfresh()), (OutOfTurnError, "StartAfresh")),
    "wrong epoch": (
        send(ClearGradients(0, ZEROS), EpochEnd(5, best=True)),
        (MalformedError, "epoch from item is 5 where 0 was due"),
    ),
    "end of another epoch": (
        send(ClearGradients(0, ZEROS), TrainingEnd(1, best=True)),
        (MalformedError, "epoch from item is 1 where 0 was due"),
    ),
}


@pytest.mark.parametrize("case", list(CLEAR))
def test_a_partner_refuses_a_clear_gradient_that_cannot_be(case: str, tmp_path: Path) -> None:
    lie, (kind, words) = CLEAR[case]
    ended, _ = against_partner(PLAIN, lie, tmp_path)
    assert type(ended.errors["forum"]) is kind
    assert words in str(ended.errors["forum"])
    assert [path.name for path in (tmp_path / "forum").iterdir()] == ["alignment.ckpt"]


def test_a_partner_refuses_a_step_it_has_learnt_from(tmp_path: Path) -> None:
    again = send(ClearGradients(0, ZEROS), EpochEnd(0, best=True), ClearGradients(0, ZEROS))
    ended, table = against_partner(PLAIN, again, tmp_path)
    assert isinstance(ended.errors["forum"], OutOfTurnError)
    assert "step 0 was answered before" in str(ended.errors["forum"])
    assert table.links["forum"].traffic.frames_by_stage()["forward"] == 2


def test_a_partner_trains_no_longer_than_agreed(tmp_path: Path) -> None:
    one = tiny(Profile.PLAIN, training__epochs=1)
    on_and_on = send(ClearGradients(0, ZEROS), EpochEnd(0, best=True))
    ended, table = against_partner(one, on_and_on, tmp_path)
    assert isinstance(ended.errors["forum"], OutOfTurnError)
    assert "goes on training after training.epochs = 1" in str(ended.errors["forum"])
    assert table.links["forum"].traffic.frames_by_stage()["forward"] == 1


class Liar:
    """An item party under `strict` that has sent its key and may now send anything."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.opener = GradientOpener(gradient_config(STRICT))
        link.post("forum", GradientKey(self.opener.public))
        link.receive(COORDINATOR, SummedActivations)

    def seal(self) -> Payloads:
        return self.opener.seal(np.ones((2, 128, DIM), np.float32))

    def honest(self, step: int = 0) -> None:
        self.link.post("forum", SealedGradients(step, self.seal()))

    def sums(self) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        parts = self.link.receive("forum", MaskedProducts).parts
        return np.asarray(self.opener.sum_blocks(parts), np.int64)


def too_few(liar: Liar) -> None:
    liar.link.post("forum", SealedGradients(0, liar.seal()[:1]))


def foreign(liar: Liar) -> None:
    other = GradientOpener(gradient_config(STRICT))
    sealed = other.seal(np.ones((2, 128, DIM), np.float32))
    liar.link.post("forum", SealedGradients(0, sealed))


def garbage(liar: Liar) -> None:
    liar.link.post("forum", SealedGradients(0, (b"x" * 200,) * 2))


def in_the_clear(liar: Liar) -> None:
    liar.link.post("forum", ClearGradients(0, ZEROS))


def later(liar: Liar) -> None:
    liar.honest(step=3)


def twice(liar: Liar) -> None:
    liar.honest()
    liar.honest()


def after_the_sums(liar: Liar) -> None:
    liar.honest()
    liar.link.post("forum", ProductSums(0, liar.sums().tobytes()))
    liar.link.post("forum", EpochEnd(0, best=False))
    liar.honest()


def short_sums(liar: Liar) -> None:
    liar.honest()
    liar.link.post("forum", ProductSums(0, liar.sums().tobytes()[:-8]))


def sums_of_another_step(liar: Liar) -> None:
    liar.honest()
    liar.link.post("forum", ProductSums(1, liar.sums().tobytes()))


def sums_beyond_the_modulus(liar: Liar) -> None:
    liar.honest()
    liar.link.post("forum", ProductSums(0, (liar.sums() - (1 << 60)).tobytes()))


def sums_no_batch_can_reach(liar: Liar) -> None:
    liar.honest()
    liar.link.post("forum", ProductSums(0, np.zeros_like(liar.sums()).tobytes()))


SEALED: list[tuple[Callable[[Liar], None], Refusal, int]] = [
    (too_few, (MalformedError, "1 sealed groups for 2 groups"), 0),
    (foreign, (ForeignKeyError, "another key"), 0),
    (garbage, (MalformedError, "not a sealed_group"), 0),
    (in_the_clear, (OutOfTurnError, "ClearGradients"), 0),
    (later, (MalformedError, "step from item is 3 where 0 was due"), 0),
    (twice, (OutOfTurnError, "SealedGradients"), 1),
    (after_the_sums, (OutOfTurnError, "step 0 was answered before"), 1),
    (short_sums, (MalformedError, "do not hold 8 x 32 numbers"), 1),
    (sums_of_another_step, (OutOfTurnError, "step 1 is not the open one"), 1),
    (sums_beyond_the_modulus, (MalformedError, "outside the plain modulus"), 1),
    (sums_no_batch_can_reach, (MalformedError, "beyond what a batch can reach"), 1),
]


@pytest.mark.parametrize(
    ("lie", "refusal", "answers"), SEALED, ids=[lie.__name__ for lie, _, _ in SEALED]
)
def test_a_partner_answers_a_sealed_gradient_once_and_only_if_it_is_one(
    lie: Callable[[Liar], None], refusal: Refusal, answers: int, tmp_path: Path
) -> None:
    ended, table = against_partner(STRICT, lambda link: lie(Liar(link)), tmp_path)
    kind, words = refusal
    assert type(ended.errors["forum"]) is kind
    assert words in str(ended.errors["forum"])
    assert table.links["forum"].traffic.frames_by_stage()["backward"] == answers
    saved = {path.name for path in (tmp_path / "forum").iterdir()} - {"alignment.ckpt"}
    assert saved == ({"epoch-0.ckpt"} if lie is after_the_sums else set())


@pytest.mark.parametrize("answer", [ResumeFrom(-1, finished=False), ResumeFrom(4, finished=True)])
def test_a_partner_resumes_from_nothing_it_does_not_hold(answer: ResumeFrom) -> None:
    def resume(link: Link) -> None:
        link.receive("forum", Holdings)
        link.post("forum", answer)

    ended = run_against(table_of(PLAIN), WORLD, {ITEM: resume})
    assert isinstance(ended.errors["forum"], MalformedError)
    assert "resumes from what this party does not hold" in str(ended.errors["forum"])


def test_a_partner_refuses_a_gradient_key_of_other_settings(tmp_path: Path) -> None:
    config = tiny(Profile.STRICT, exchange__accept_single_partner=True, exchange__gradient_clip=9)
    key = GradientKey(GradientOpener(gradient_config(config)).public)
    ended, _ = against_partner(STRICT, send(key), tmp_path)
    assert isinstance(ended.errors["forum"], ForeignKeyError)


# --- a hostile coordinator ---


def pass_over_progress(link: Link) -> None:
    """Read the item party's frames up to the key of the sums."""
    kinds: tuple[type[SummingKey | ProgressReport], ...] = (SummingKey, ProgressReport)
    while isinstance(link.receive(ITEM, *kinds), ProgressReport):
        pass


def collect_wrongly(link: Link) -> None:
    pass_over_progress(link)
    sums = link.receive("forum", Activations)
    link.post(ITEM, SummedActivations(sums.step, sums.rows, ("forum",), sums.parts))
    link.post("forum", Collected(7))


def test_a_partner_refuses_to_hear_of_another_step_s_collection() -> None:
    ended = run_against(table_of(FROZEN), WORLD, {COORDINATOR: collect_wrongly})
    assert isinstance(ended.errors["forum"], MalformedError)
    assert "collected step from coordinator is 7 where" in str(ended.errors["forum"])


def deliver(change: Callable[[SummedActivations], Message]) -> Script:
    def script(link: Link) -> None:
        pass_over_progress(link)
        got = link.receive("forum", Activations)
        link.post(ITEM, change(SummedActivations(got.step, got.rows, ("forum",), got.parts)))

    return script


SUMS: dict[str, tuple[Callable[[SummedActivations], Message], Refusal]] = {
    "another step": (
        lambda m: SummedActivations(m.step + 1, m.rows, m.cohort, m.parts),
        (MalformedError, "a sum of 256 rows of step 1 came where 256 rows of step 0 were due"),
    ),
    "other rows": (
        lambda m: SummedActivations(m.step, m.rows - 1, m.cohort, m.parts),
        (MalformedError, "a sum of 255 rows"),
    ),
    "another cohort": (
        lambda m: SummedActivations(m.step, m.rows, ("forum", "social"), m.parts),
        (MalformedError, "other partners than the run's"),
    ),
    "nobody": (
        lambda m: SummedActivations(m.step, m.rows, (), m.parts),
        (MalformedError, "other partners than the run's"),
    ),
    "too few parts": (
        lambda m: SummedActivations(m.step, m.rows, m.cohort, m.parts[:-1]),
        (MalformedError, "ciphertexts arrived"),
    ),
    "too many parts": (
        lambda m: SummedActivations(m.step, m.rows, m.cohort, m.parts * 2),
        (TooLargeError, "ciphertexts arrived"),
    ),
    "another key": (
        lambda m: SummedActivations(m.step, m.rows, m.cohort, (bytes(99),) * len(m.parts)),
        (ForeignKeyError, "another key"),
    ),
    "no sum": (lambda m: Collected(m.step), (OutOfTurnError, "Collected")),
}


@pytest.mark.parametrize("config", [PLAIN, STRICT], ids=["plain", "strict"])
@pytest.mark.parametrize("case", list(SUMS))
def test_an_item_party_refuses_a_sum_that_was_not_due(
    config: RunConfig, case: str, tmp_path: Path
) -> None:
    change, (kind, words) = SUMS[case]
    ended = run_against(table_of(config, tmp_path), WORLD, {COORDINATOR: deliver(change)})
    assert type(ended.errors[ITEM]) is kind
    assert words in str(ended.errors[ITEM])
    assert [path.name for path in (tmp_path / ITEM).iterdir()] == ["alignment.ckpt"]


# --- a hostile partner, against a real item party and coordinator ---


def take_part(link: Link, answer: Callable[[Link, ProductMaker, SealedGradients], None]) -> None:
    """Follow the protocol under `strict` up to the first sealed gradient, then answer it."""
    talk = Talk(link, ITEM, STRICT.profile)
    talk.say(Holdings(b"", ()))
    talk.hear(StartAfresh)
    align_partner(talk, WORLD.partners["forum"].identifiers, STRICT.alignment, job=JOB)
    encryptor = forward_cipher(STRICT, 1).encryptor(talk.hear(SummingKey).public, None)
    phi = np.full((ROWS, 8), 0.3, np.float32)
    products = ProductMaker(gradient_config(STRICT), talk.hear(GradientKey).public, phi)
    parts = encryptor.encrypt(np.zeros((ROWS, DIM), np.float32), step=0)
    link.post(COORDINATOR, Activations(0, ROWS, parts))
    answer(link, products, talk.hear(SealedGradients))


def multiply(products: ProductMaker, sealed: SealedGradients) -> Payloads:
    return products.multiply(0, [0, 1], sealed.parts)


Answer = Callable[[Link, ProductMaker, SealedGradients], None]
ANSWERS: dict[str, tuple[Answer, Refusal]] = {
    "another step": (
        lambda link, p, s: link.post(ITEM, MaskedProducts(1, multiply(p, s))),
        (OutOfTurnError, "step 1 is not the open one"),
    ),
    "too few parts": (
        lambda link, p, s: link.post(ITEM, MaskedProducts(0, multiply(p, s)[1:])),
        (MalformedError, "7 products for 8 columns"),
    ),
    "too many parts": (
        lambda link, p, s: link.post(ITEM, MaskedProducts(0, multiply(p, s) * 2)),
        (MalformedError, "16 products for 8 columns"),
    ),
    "the gradient itself": (
        lambda link, p, s: link.post(ITEM, MaskedProducts(0, s.parts * 4)),
        (MalformedError, "not a product"),
    ),
    "garbage": (
        lambda link, p, s: link.post(ITEM, MaskedProducts(0, (b"x" * 99,) * 8)),
        (MalformedError, "not a product"),
    ),
    "no answer": (
        lambda link, p, s: link.post(ITEM, Holdings(b"", ())),
        (OutOfTurnError, "Holdings"),
    ),
}


@pytest.mark.parametrize("case", list(ANSWERS))
def test_an_item_party_returns_no_sum_for_products_that_cannot_be(
    case: str, tmp_path: Path
) -> None:
    answer, (kind, words) = ANSWERS[case]
    table = table_of(STRICT, tmp_path)
    ended = run_against(table, WORLD, {"forum": partial(take_part, answer=answer)})
    assert type(ended.errors[ITEM]) is kind
    assert words in str(ended.errors[ITEM])
    assert table.links[ITEM].traffic.frames_by_stage()["backward"] == 1  # the sealed gradient
    assert [path.name for path in (tmp_path / ITEM).iterdir()] == ["alignment.ckpt"]


def test_an_item_party_takes_holdings_of_another_alignment_for_none(tmp_path: Path) -> None:
    def pretend(link: Link) -> None:
        link.post(ITEM, Holdings(bytes(16), (0, 1, 2)))
        link.receive(ITEM, StartAfresh)
        raise MalformedError("enough")

    ended = run_against(table_of(PLAIN, tmp_path), WORLD, {"forum": pretend})
    assert str(ended.errors[ITEM]) == "forum stopped: MalformedError"


# --- the coordinator, against hostile parties ---

PAIR = ("forum", "social")


def against_coordinator(
    scripts: dict[str, Script], config: RunConfig = PLAIN
) -> tuple[Ended, int]:
    """Run a coordinator for two scripted partners; returns how many sums it let go, too."""

    def begin(link: Link) -> None:
        key = SummingKey(forward_cipher(config, 2).key_pair().public)
        for name in (COORDINATOR, *PAIR):
            link.post(name, key)
        if ITEM in scripts:
            scripts[ITEM](link)
        link.receive_any()  # until the coordinator stops

    table = Table(config=config, partners=PAIR)
    ended = run_against(table, WORLD, {**scripts, ITEM: begin})
    return ended, table.links[COORDINATOR].traffic.frames_by_stage()["forward"]


def contribute(*steps: int, rows: int = 4, encoded: int | None = None) -> Script:
    def script(link: Link) -> None:
        encryptor = forward_cipher(PLAIN, 2).encryptor(link.receive(ITEM, SummingKey).public, None)
        values = np.ones((encoded or rows, DIM), np.float32)
        for step in steps:
            link.post(COORDINATOR, Activations(step, rows, encryptor.encrypt(values, step=step)))
        link.receive(ITEM, Goodbye)  # never comes: the coordinator stops before

    return script


def say(message: Message) -> Script:
    return lambda link: link.post(COORDINATOR, message)


IDLE: dict[str, Script] = {name: contribute() for name in PAIR}
HOSTILE: dict[str, tuple[dict[str, Script], Refusal]] = {
    "a step twice": (
        {"forum": contribute(0, 0), "social": contribute()},
        (ReplayedError, "forum contributed to step 0 before"),
    ),
    "an earlier step": (
        {"forum": contribute(1, 0), "social": contribute()},
        (ReplayedError, "forum contributed to step 0 before"),
    ),
    "too far ahead": (
        {"forum": contribute(*range(WINDOW + 1)), "social": contribute()},
        (OutOfTurnError, "too far ahead"),
    ),
    "other rows than the others": (
        {"forum": contribute(0, rows=4), "social": contribute(0, rows=5)},
        (MalformedError, "disagree on the rows of step 0"),
    ),
    "fewer values than rows": (
        {"forum": contribute(0, rows=4), "social": contribute(0, rows=4, encoded=3)},
        (MalformedError, "bytes arrived"),
    ),
    "a goodbye": (
        {"forum": say(Goodbye()), "social": contribute()},
        (OutOfTurnError, "forum sent Goodbye to the coordinator"),
    ),
    "a partner's progress report": (
        {"forum": say(ProgressReport("training", 1, 2, -1)), "social": contribute()},
        (OutOfTurnError, "forum sent ProgressReport to the coordinator"),
    ),
    "progress in no known stage": (
        {ITEM: say(ProgressReport("<b>training", 1, 2, -1)), **IDLE},
        (MalformedError, "a progress report is of no known stage"),
    ),
    "more steps than there are": (
        {ITEM: say(ProgressReport("training", 3, 2, -1)), **IDLE},
        (MalformedError, "3 of 2 steps"),
    ),
    "a recall above one": (
        {ITEM: say(ProgressReport("training", 1, 2, 1_000_001)), **IDLE},
        (MalformedError, "a recall of 1000001 millionths"),
    ),
    "what is for the item party": (
        {"forum": say(Holdings(b"", ())), "social": contribute()},
        (OutOfTurnError, "forum sent Holdings to the coordinator"),
    ),
    "activations of the item party": (
        {ITEM: say(Activations(0, 4, ())), "forum": contribute(), "social": contribute()},
        (UnknownPeerError, "item is not in the cohort"),
    ),
}


@pytest.mark.parametrize("case", list(HOSTILE))
def test_a_coordinator_lets_no_sum_go_after_a_contribution_that_cannot_be(case: str) -> None:
    scripts, (kind, words) = HOSTILE[case]
    ended, sums = against_coordinator(scripts)
    assert type(ended.errors[COORDINATOR]) is kind
    assert words in str(ended.errors[COORDINATOR])
    assert sums == 0


def contribute_parts(parts: Payloads) -> Script:
    """Send something as the sum of step 0, and go on waiting."""

    def script(link: Link) -> None:
        link.receive(ITEM, SummingKey)
        link.post(COORDINATOR, Activations(0, 4, parts))
        link.receive(ITEM, Goodbye)  # never comes

    return script


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        ((), MalformedError),
        ((bytes(16 + 4 * 4 * DIM),), ForeignKeyError),
        ((bytes(16), bytes(16)), TooLargeError),
        ((bytes(16 + 4 * 4 * DIM + 1),), TooLargeError),
    ],
)
def test_a_contribution_that_cannot_be_is_refused_on_arrival_and_its_sender_named(
    parts: Payloads, kind: type[FederationError]
) -> None:
    # The other partner never contributes: the refusal waits for nobody.
    ended, sums = against_coordinator({"forum": contribute(), "social": contribute_parts(parts)})
    assert type(ended.errors[COORDINATOR]) is kind
    assert "the contribution of social to step 0: " in str(ended.errors[COORDINATOR])
    assert sums == 0


def test_a_coordinator_refuses_a_key_that_is_none() -> None:
    table = table_of(STRICT)
    ended = run_against(
        table, WORLD, {ITEM: say(SummingKey(b"no key")), "forum": lambda link: None}
    )
    assert isinstance(ended.errors[COORDINATOR], MalformedError)


def test_a_coordinator_refuses_impossible_progress_before_it_has_a_key() -> None:
    seen: list[Progress] = []
    table = Table(config=STRICT, partners=PAIR, follow=seen.append)
    report = ProgressReport("alignment", 5, 4, -1)
    ended = run_against(
        table, WORLD, {ITEM: say(report), **dict.fromkeys(PAIR, lambda link: None)}
    )
    assert isinstance(ended.errors[COORDINATOR], MalformedError)
    assert not seen
