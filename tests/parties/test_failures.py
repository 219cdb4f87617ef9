"""One party fails: every other one must end by itself, soon, and say who failed."""

from functools import partial

import numpy as np
import pytest

from federation.errors import (
    GuardBitsError,
    NoSharedUserError,
    OutOfTurnError,
    PeerLostError,
    SettingError,
    SmallBatchError,
)
from federation.exchange.link import STOP_GRACE_S
from federation.exchange.transport import Transport
from federation.protocol.profile import Profile
from parties.config import COORDINATOR, ITEM
from parties.data import PartnerData
from parties.session import telling_others
from parties.settings import override
from tests.parties.harness import (
    Broken,
    Ended,
    Failing,
    Table,
    World,
    make_world,
    run_all,
    run_parties,
    tiny,
)
from towers.errors import ConfigError
from towers.features import Features

SOON_S = 10.0
TWO = make_world("forum", "social", users=150)
PLAIN = tiny(Profile.PLAIN, training__epochs=2)


def fail_at(party: str, receipt: int, profile: Profile = Profile.PLAIN) -> Ended:
    table = Table(
        config=tiny(profile, training__epochs=2),
        partners=("forum", "social"),
        wraps={party: partial(Failing, at=receipt)},
    )
    return run_parties(table, TWO)


def receipts(party: str) -> int:
    """How often a party waits for a frame in an undisturbed run."""
    made: list[Failing] = []

    def count(inner: Transport) -> Failing:
        made.append(Failing(inner, at=10**9))
        return made[0]

    table = Table(config=PLAIN, partners=("forum", "social"), wraps={party: count})
    assert not run_parties(table, TWO).errors
    return made[0].receipts


@pytest.mark.parametrize("party", [COORDINATOR, ITEM, "forum"])
def test_a_party_that_fails_at_any_moment_ends_all_others_soon(party: str) -> None:
    last = receipts(party) - 1
    # The last thing everyone but the item party waits for is its goodbye, said when all is done.
    for receipt in range(last + 1 if party == ITEM else last):
        ended = fail_at(party, receipt)
        assert isinstance(ended.errors[party], Broken)
        if party == COORDINATOR and ITEM in ended.outcomes:
            # After its last sum nobody waits for the coordinator; it still hears of progress.
            assert receipt > last // 2
            break
        for name in {COORDINATOR, ITEM, "forum", "social"} - {party}:
            assert isinstance(ended.errors[name], PeerLostError)
            assert f"{party} stopped: Broken" in str(ended.errors[name])
        assert ended.seconds < SOON_S


@pytest.mark.parametrize("party", [COORDINATOR, ITEM, "social"])
@pytest.mark.parametrize("receipt", [4, 9])
def test_a_party_that_fails_under_strict_ends_all_others_soon(party: str, receipt: int) -> None:
    ended = fail_at(party, receipt, Profile.STRICT)
    assert len(ended.errors) == 4
    assert ended.seconds < SOON_S


@pytest.mark.parametrize("party", [COORDINATOR, ITEM, "forum"])
@pytest.mark.parametrize("receipt", [0, 5])
def test_a_party_whose_line_dies_is_waited_for_no_longer_than_the_timeout(
    party: str, receipt: int
) -> None:
    table = Table(
        config=tiny(Profile.PLAIN, exchange__timeout_s=1.0),
        partners=("forum", "social"),
        wraps={party: partial(Failing, at=receipt, for_good=True)},
    )
    ended = run_parties(table, TWO)
    assert len(ended.errors) == 4
    for name in {COORDINATOR, ITEM, "forum", "social"} - {party}:
        assert isinstance(ended.errors[name], PeerLostError)
    assert any("nothing came for 1 s" in str(error) for error in ended.errors.values())
    assert ended.seconds < SOON_S


def test_a_party_that_stops_while_greeting_waits_a_moment_for_those_without_keys() -> None:
    fails = {"forum": partial(Failing, at=0)}
    table = Table(config=PLAIN, partners=("forum", "social"), wraps=fails)
    links = {name: table.link(name) for name in (COORDINATOR, ITEM, "forum")}  # social is missing

    def greet(name: str) -> None:
        with telling_others(links[name]):
            links[name].greet()

    ended = run_all(table, {name: partial(greet, name) for name in links})
    assert isinstance(ended.errors["forum"], Broken)
    assert "forum stopped: Broken" in str(ended.errors[ITEM])
    assert "forum stopped: Broken" in str(ended.errors[COORDINATOR])
    assert STOP_GRACE_S <= ended.seconds < SOON_S


def test_only_the_kind_of_an_error_is_told_to_others() -> None:
    table = Table(config=PLAIN, partners=("forum",))
    names = (COORDINATOR, ITEM, "forum")
    links = {name: table.link(name) for name in names}

    def fail() -> None:
        with telling_others(links["forum"]):
            links["forum"].greet()
            raise ValueError("user-0001 has an odd row in /home/forum/users.csv")

    def listen(name: str) -> None:
        links[name].greet()
        links[name].receive_any()

    work = {ITEM: partial(listen, ITEM), COORDINATOR: partial(listen, COORDINATOR)}
    ended = run_all(table, {"forum": fail, **work})
    assert isinstance(ended.errors["forum"], ValueError)
    assert str(ended.errors[ITEM]) == "forum stopped: ValueError"
    assert str(ended.errors[COORDINATOR]) == "forum stopped: ValueError"


def test_a_partner_whose_features_cannot_be_encoded_tells_the_others() -> None:
    dense = TWO.partners["forum"].features.multi_hot.toarray()
    features = type(TWO.partners["forum"].features).from_dense(dense)
    partners = {**TWO.partners, "forum": PartnerData(TWO.partners["forum"].identifiers, features)}
    world = World(item=TWO.item, partners=partners, taste=TWO.taste)
    table = Table(
        config=PLAIN,
        partners=("forum", "social"),
        configs={"forum": tiny(Profile.PLAIN, training__epochs=2, encoder__kind="standardise")},
    )
    ended = run_parties(table, world)
    assert isinstance(ended.errors["forum"], ConfigError)
    for name in (COORDINATOR, ITEM, "social"):
        assert str(ended.errors[name]).endswith("forum stopped: ConfigError")


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"exchange__clip": 2.0},
        {"exchange__batch_groups": 3},
        {"exchange__partner_dropout": 0.5},
        {"encoder__width": 9},
        {"trainer__model__embedding_dim": 64},
        {"training__epochs": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("odd", [COORDINATOR, "forum"])
def test_parties_with_different_settings_refuse_each_other(
    change: dict[str, object], odd: str
) -> None:
    other = tiny(Profile.PLAIN, **{"training__epochs": 2, **change})
    table = Table(config=PLAIN, partners=("forum", "social"), configs={odd: other})
    ended = run_parties(table, TWO)
    assert len(ended.errors) == 4
    for error in ended.errors.values():
        assert isinstance(error, OutOfTurnError | PeerLostError)
    assert "runs with other settings" in str(ended.errors[odd])
    assert ended.seconds < SOON_S


def test_another_profile_is_refused() -> None:
    table = Table(
        config=PLAIN,
        partners=("forum", "social"),
        configs={"forum": tiny(Profile.FROZEN, training__epochs=2)},
    )
    ended = run_parties(table, TWO)
    assert isinstance(ended.errors["forum"], OutOfTurnError)


def test_settings_that_are_a_party_s_own_may_differ() -> None:
    own = tiny(
        Profile.PLAIN,
        training__epochs=2,
        exchange__timeout_s=20.0,
        exchange__cache_mib=8,
        projection__learning_rate=0.1,
        alignment__workers=2,
    )
    table = Table(config=PLAIN, partners=("forum", "social"), configs={"forum": own})
    assert not run_parties(table, TWO).errors


def test_parties_of_different_jobs_refuse_each_other() -> None:
    table = Table(config=PLAIN, partners=("forum", "social"), jobs={"social": bytes(16)})
    ended = run_parties(table, TWO)
    assert len(ended.errors) == 4
    assert "runs another job" in str(ended.errors["social"])


def test_a_partner_that_shares_no_user_ends_the_run_for_all() -> None:
    features = TWO.partners["social"].features
    stranger = PartnerData([f"nobody-{number}" for number in range(features.rows)], features)
    world = World(item=TWO.item, partners={**TWO.partners, "social": stranger}, taste=TWO.taste)
    ended = run_parties(Table(config=PLAIN, partners=("forum", "social")), world)
    assert isinstance(ended.errors["social"], NoSharedUserError)
    # The item party finds out by itself, or is told first.
    assert isinstance(ended.errors[ITEM], NoSharedUserError | PeerLostError)
    assert "social" in str(ended.errors[ITEM])
    assert "NoSharedUserError" in str(ended.errors["forum"])
    assert "NoSharedUserError" in str(ended.errors[COORDINATOR])


def test_a_partner_with_too_few_users_a_batch_is_refused_under_strict_only() -> None:
    world = make_world("forum", "social", users=60)  # of whom each knows 48; width 8 needs 64
    strict = run_parties(Table(config=tiny(Profile.STRICT), partners=("forum", "social")), world)
    error = strict.errors[ITEM]
    assert isinstance(error, SmallBatchError)
    assert "forum has only 48 users in a batch" in str(error)
    assert all(
        "SmallBatchError" in str(strict.errors[n]) for n in (COORDINATOR, "forum", "social")
    )
    assert not run_parties(Table(config=PLAIN, partners=("forum", "social")), world).errors


@pytest.mark.parametrize("role", [COORDINATOR, ITEM, "p0"])
def test_settings_no_cipher_can_run_are_refused_before_anyone_is_greeted(role: str) -> None:
    world = make_world("p0", users=40)
    many = Table(config=tiny(Profile.STRICT), partners=tuple(f"p{n}" for n in range(400)))
    with pytest.raises(GuardBitsError):
        many.party(role, world)
    odd_dim = tiny(Profile.STRICT, trainer__model__embedding_dim=48)
    with pytest.raises(SettingError, match="dim is 48"):
        Table(config=odd_dim, partners=("p0", "p1")).party(role, world)
    clear = tiny(Profile.FROZEN, exchange__scheme="clear")
    with pytest.raises(SettingError, match=r"exchange\.scheme = clear protects nothing"):
        Table(config=clear, partners=("p0", "p1")).party(role, world)


def test_a_partner_whose_data_cannot_be_encoded_tells_the_others_soon() -> None:
    narrow = override(PLAIN, "encoder.kind", "standardise")
    users = TWO.partners["social"].identifiers
    columns = np.random.default_rng(0).random((len(users), 30), np.float32)  # encoder.width is 8
    wide = PartnerData(users, Features.from_dense(columns))
    world = World(item=TWO.item, partners={**TWO.partners, "social": wide}, taste=TWO.taste)
    table = Table(config=PLAIN, partners=("forum", "social"), configs={"social": narrow})
    ended = run_parties(table, world)

    assert isinstance(ended.errors["social"], ConfigError)
    for name in (COORDINATOR, ITEM, "forum"):
        assert "social stopped: ConfigError" in str(ended.errors[name])
    assert ended.seconds < SOON_S
