from functools import partial

import pytest

from federation.errors import OutOfTurnError, UnknownPeerError
from federation.exchange.link import Link
from federation.protocol.conversation import Phase
from federation.protocol.messages import Goodbye, Holdings, ItemPoints, ResumeFrom, StartAfresh
from federation.protocol.profile import Profile
from parties.config import COORDINATOR, ITEM
from parties.talk import Talk
from tests.parties.harness import Script, Table, make_world, run_against, tiny

HOLDINGS = Holdings(b"", (1, 2))
WORLD = make_world("forum", users=20)


def converse(partner: list[object], item: list[object]) -> Table:
    """Each end says its messages and hears what is due; types are heard, messages are said."""

    def follow(link: Link, peer: str, turns: list[object]) -> None:
        talk = Talk(link, peer, Profile.PLAIN)
        for turn in turns:
            if isinstance(turn, type):
                talk.hear(turn)
            else:
                talk.say(turn)  # type: ignore[arg-type]

    table = Table(config=tiny(Profile.PLAIN), partners=("forum",))
    scripts: dict[str, Script] = {
        "forum": partial(follow, peer=ITEM, turns=partner),
        ITEM: partial(follow, peer="forum", turns=item),
        COORDINATOR: lambda link: None,
    }
    for error in run_against(table, WORLD, scripts).errors.values():
        raise error
    return table


def test_what_is_due_is_said_and_heard() -> None:
    table = converse([HOLDINGS, StartAfresh], [Holdings, StartAfresh()])
    assert table.links[ITEM].heard == [HOLDINGS]
    assert table.links["forum"].heard == [StartAfresh()]


def test_what_is_not_one_s_turn_is_not_sent() -> None:
    table = Table(config=tiny(Profile.PLAIN), partners=("forum",))
    talk = Talk(table.link("forum"), ITEM, Profile.PLAIN)
    with pytest.raises(OutOfTurnError, match="Goodbye is not allowed in GREETED"):
        talk.say(Goodbye())
    assert talk.phase is Phase.GREETED
    assert table.links["forum"].traffic.frames_by_stage()["control"] == 0


def test_what_cannot_be_sent_was_not_said() -> None:
    table = Table(config=tiny(Profile.PLAIN), partners=("forum",))
    talk = Talk(table.link("forum"), ITEM, Profile.PLAIN)  # not greeted: it has no keys yet
    with pytest.raises(UnknownPeerError, match="no keys with item"):
        talk.say(HOLDINGS)
    assert talk.phase is Phase.GREETED


def test_either_of_two_kinds_may_be_heard() -> None:
    heard = []

    def partner(link: Link) -> None:
        talk = Talk(link, ITEM, Profile.PLAIN)
        talk.say(HOLDINGS)
        heard.append(talk.hear_either(StartAfresh, ResumeFrom))
        assert talk.phase is Phase.ALIGNED

    def item(link: Link) -> None:
        talk = Talk(link, "forum", Profile.PLAIN)
        talk.hear(Holdings)
        talk.say(ResumeFrom(2, finished=False))

    table = Table(config=tiny(Profile.PLAIN), partners=("forum",))
    scripts = {"forum": partner, ITEM: item, COORDINATOR: lambda link: None}
    assert not run_against(table, WORLD, scripts).errors
    assert heard == [ResumeFrom(2, finished=False)]


def test_a_message_of_another_kind_is_refused() -> None:
    with pytest.raises(OutOfTurnError, match="Holdings where ItemPoints was due"):
        converse([HOLDINGS], [ItemPoints])
