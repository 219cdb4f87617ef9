"""Alignment: both owners end with the same users in the same slots, and nobody with more."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.crypto.psi import Blinder
from federation.errors import (
    IdentifierError,
    MalformedError,
    NoSharedUserError,
    TooLargeError,
)
from federation.exchange.link import Link
from federation.protocol.messages import (
    Holdings,
    ItemDoubled,
    ItemPoints,
    Message,
    PartnerDoubled,
    PartnerPoints,
    Slots,
    StartAfresh,
)
from federation.protocol.profile import Profile
from parties.alignment import (
    AT_ONCE,
    ItemAlignment,
    PartnerAlignment,
    align_item,
    align_partner,
    digest_of,
)
from parties.archive import pack_arrays
from parties.config import COORDINATOR, ITEM, AlignmentConfig
from parties.errors import CheckpointError
from parties.session import telling_others
from parties.talk import Talk
from tests.parties.harness import JOB, Ended, HearingLink, Table, run_all, tiny

CONFIG = AlignmentConfig(max_users=1000, workers=1)
NAME = bytes(16)
Forge = Callable[[Slots], Slots]


class Forger(Talk):
    """The item party's end, which changes the slots before it says them."""

    forge: Forge

    def say(self, message: Message) -> None:
        super().say(self.forge(message) if isinstance(message, Slots) else message)


def align(
    own: Sequence[str],
    others: Mapping[str, Sequence[str]],
    *,
    forge: Forge | None = None,
    partners_config: AlignmentConfig = CONFIG,
) -> tuple[Ended, dict[str, HearingLink]]:
    table = Table(config=tiny(Profile.PLAIN), partners=tuple(others))
    links = {name: table.link(name) for name in table.names}

    def lead() -> ItemAlignment:
        talks = {name: _talk(links[ITEM], name, forge) for name in others}
        with telling_others(links[ITEM]):
            links[ITEM].greet()
            for talk in talks.values():
                talk.hear(Holdings)
                talk.say(StartAfresh())
            return align_item(talks, own, CONFIG, job=JOB, rng=np.random.default_rng(0))

    def follow(name: str) -> PartnerAlignment:
        with telling_others(links[name]):
            links[name].greet()
            talk = Talk(links[name], ITEM, Profile.PLAIN)
            talk.say(Holdings(b"", ()))
            talk.hear(StartAfresh)
            return align_partner(talk, others[name], partners_config, job=JOB)

    following = {name: partial(follow, name) for name in others}
    return run_all(table, {ITEM: lead, **following, COORDINATOR: links[COORDINATOR].greet}), links


def _talk(link: Link, name: str, forge: Forge | None) -> Talk:
    if forge is None:
        return Talk(link, name, Profile.PLAIN)
    forger = Forger(link, name, Profile.PLAIN)
    forger.forge = forge
    return forger


def names(numbers: Sequence[int]) -> list[str]:
    return [f"user-{number}" for number in numbers]


SETS = st.lists(st.integers(0, 30), min_size=1, unique=True)


@settings(max_examples=15, deadline=None)
@given(own=SETS, first=SETS, second=SETS)
def test_exactly_the_shared_users_are_found_and_sit_in_the_same_slots(
    own: list[int], first: list[int], second: list[int]
) -> None:
    others = {"forum": names([0, *first] if 0 not in first else first), "social": names(second)}
    own_names = names([0, *own] if 0 not in own else own)
    ended, _ = align(own_names, others)
    if not set(own_names) & set(others["social"]):
        assert any(isinstance(error, NoSharedUserError) for error in ended.errors.values())
        return
    item = ended.outcomes[ITEM]
    assert sorted(item.slot_of_user.tolist()) == list(range(len(own_names)))
    slot_of = dict(zip(own_names, item.slot_of_user.tolist(), strict=True))
    for name, identifiers in others.items():
        partner = ended.outcomes[name]
        shared = set(own_names) & set(identifiers)
        assert {own_names[user] for user in item.shared[name]} == shared
        found = {
            identifiers[user]: slot
            for user, slot in zip(partner.users.tolist(), partner.slots.tolist(), strict=True)
        }
        assert found == {user: slot_of[user] for user in shared}
        assert len(set(found.values())) == len(shared)
        assert (partner.total, partner.identifier) == (len(own_names), item.identifier)


def test_a_partner_hears_of_no_slot_but_its_shared_users() -> None:
    own, theirs = names(range(20)), names(range(15, 40))
    ended, links = align(own, {"forum": theirs})
    (slots,) = [m for m in links["forum"].heard if isinstance(m, Slots)]
    assert len(slots.slots) == 4 * 5
    told = np.frombuffer(slots.slots, "<i4")
    np.testing.assert_array_equal(np.sort(told), np.sort(ended.outcomes["forum"].slots))
    others = set(range(20)) - set(told.tolist())
    assert {int(s) for s in ended.outcomes[ITEM].slot_of_user[:15]} == others


def test_identifiers_meet_although_they_are_written_differently() -> None:
    ended, _ = align(["caf\u00e9 ", "x"], {"forum": [" cafe\u0301", "y"]})
    assert ended.outcomes[ITEM].shared["forum"].tolist() == [0]


def test_no_shared_user_ends_it_for_both() -> None:
    ended, _ = align(["a", "b"], {"forum": ["c"]})
    assert isinstance(ended.errors[ITEM], NoSharedUserError)
    assert isinstance(ended.errors["forum"], NoSharedUserError)
    assert "forum knows none of this party's users" in str(ended.errors[ITEM])
    assert "item knows none of this party's users" in str(ended.errors["forum"])


FORGERIES: dict[str, tuple[Forge, str]] = {
    "too few": (lambda m: replace(m, slots=m.slots[:-4]), "8 bytes of slots for 3"),
    "too many": (lambda m: replace(m, slots=m.slots + bytes(4)), "16 bytes of slots for 3"),
    "no whole number": (lambda m: replace(m, slots=m.slots[:-1]), "11 bytes of slots for 3"),
    "a short name": (lambda m: replace(m, alignment=bytes(15)), "bytes of slots"),
    "twice": (lambda m: replace(m, slots=m.slots[:4] * 3), "given twice"),
    "negative": (lambda m: replace(m, slots=b"\xff" * 4 + m.slots[4:]), "out of range"),
    "beyond": (lambda m: replace(m, slots=b"\x09\0\0\0" + m.slots[4:]), "out of range"),
    "few in all": (lambda m: replace(m, total=2), "2 slots in all cannot hold 3"),
    "many in all": (lambda m: replace(m, total=1001), "1001 slots in all"),
}


@pytest.mark.parametrize("case", list(FORGERIES))
def test_slots_that_cannot_be_are_refused(case: str) -> None:
    forge, problem = FORGERIES[case]
    ended, _ = align(names(range(5)), {"forum": names([1, 2, 3, 9])}, forge=forge)
    assert isinstance(ended.errors["forum"], MalformedError)
    assert problem in str(ended.errors["forum"])


def test_unusable_identifiers_are_refused_before_a_point_is_sent() -> None:
    ended, links = align(["a", "a"], {"forum": ["a"]})
    assert isinstance(ended.errors[ITEM], IdentifierError)
    assert "1 of 2" in str(ended.errors[ITEM])
    assert not any(isinstance(message, ItemPoints) for message in links["forum"].heard)


def test_a_peer_with_more_users_than_agreed_is_refused() -> None:
    few = replace(CONFIG, max_users=29)
    ended, _ = align(names(range(30)), {"forum": ["user-1"]}, partners_config=few)
    assert isinstance(ended.errors["forum"], TooLargeError)
    assert str(ended.errors[ITEM]) == "forum stopped: TooLargeError"


def test_alignments_come_back_from_their_bytes() -> None:
    shared = {"forum": np.array([1, 4]), "a-b": np.array([], np.int64)}
    item = ItemAlignment(bytes(range(16)), np.array([2, 0, 1, 4, 3]), shared, b"i" * 32)
    found = ItemAlignment.unpack(item.pack())
    assert (found.identifier, found.list_digest) == (item.identifier, b"i" * 32)
    np.testing.assert_array_equal(found.slot_of_user, item.slot_of_user)
    assert {name: users.tolist() for name, users in found.shared.items()} == {
        "forum": [1, 4],
        "a-b": [],
    }
    partner = PartnerAlignment(NAME, 9, np.array([3, 1]), np.array([8, 0]), b"p" * 32)
    again = PartnerAlignment.unpack(partner.pack())
    assert (again.identifier, again.total, again.list_digest) == (NAME, 9, b"p" * 32)
    np.testing.assert_array_equal(again.users, partner.users)
    np.testing.assert_array_equal(again.slots, partner.slots)


@pytest.mark.parametrize("kind", [ItemAlignment, PartnerAlignment])
def test_bytes_of_something_else_are_no_alignment(
    kind: type[ItemAlignment] | type[PartnerAlignment],
) -> None:
    with pytest.raises(CheckpointError, match="the saved alignment lacks"):
        kind.unpack(pack_arrays({"weights": np.arange(3)}))
    with pytest.raises(CheckpointError, match="cannot be read"):
        kind.unpack(b"something else")


def test_printed_alignments_show_nobody_s_slot() -> None:
    item = ItemAlignment(NAME, np.array([77777, 1]), {"forum": np.array([66666])}, NAME)
    partner = PartnerAlignment(NAME, 9, np.array([77777]), np.array([66666]), NAME)
    for shown in (repr(item), repr(partner)):
        assert "77777" not in shown
        assert "66666" not in shown


def test_lists_of_identifiers_are_told_apart_by_content_order_and_cut() -> None:
    lists = [["a", "b"], ["b", "a"], ["ab"], ["a", "b", ""], ["a"], []]
    assert len({digest_of(each) for each in lists}) == len(lists)
    assert digest_of(("a", "b")) == digest_of(["a", "b"])


def test_an_alignment_takes_four_messages_a_side_at_most() -> None:
    ended, links = align(names(range(4)), {"forum": names(range(2, 6))})
    assert not ended.errors
    hearing = [type(message) for message in links["forum"].heard]
    assert hearing == [StartAfresh, ItemPoints, ItemDoubled, Slots]
    assert [type(m) for m in links[ITEM].heard] == [Holdings, PartnerPoints, PartnerDoubled]


ITEM_USERS = 9


class CountedBlinder(Blinder):
    """A real one that tells how many are open together."""

    open = 0
    most = 0

    def __enter__(self) -> Self:
        if len(self._identifiers) == ITEM_USERS:  # not a partner's
            type(self).open += 1
            type(self).most = max(self.most, self.open)
        return super().__enter__()

    def __exit__(self, *why: Any) -> None:  # noqa: ANN401
        super().__exit__(*why)
        if len(self._identifiers) == ITEM_USERS:
            type(self).open -= 1


@pytest.mark.parametrize("count", [1, 2, 5])
def test_any_number_of_partners_is_aligned_with_no_more_than_two_pools_at_once(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parties.alignment.Blinder", CountedBlinder)
    monkeypatch.setattr(CountedBlinder, "most", 0)
    monkeypatch.setattr(CountedBlinder, "open", 0)
    others = {f"p{n}": names(range(n, n + 4)) for n in range(count)}
    ended, _ = align(names(range(ITEM_USERS)), others)

    assert not ended.errors
    item = ended.outcomes[ITEM]
    assert isinstance(item, ItemAlignment)
    assert list(item.shared) == list(others)
    for number, (name, users) in enumerate(item.shared.items()):
        partner = ended.outcomes[name]
        assert users.tolist() == list(range(number, number + 4))
        slots = {item.slot_of_user[user] for user in users}
        assert slots == set(partner.slots.tolist())
    assert CountedBlinder.most == min(count, AT_ONCE)
