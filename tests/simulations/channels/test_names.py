import pytest

from federation.errors import SettingError
from simulations.channels.names import (
    FEDERATED,
    FUSION,
    FUSION_WITHOUT,
    ChannelName,
    parse_channels,
)
from simulations.report.channels_page import LABELS


def test_all_and_none_are_what_they_say() -> None:
    assert parse_channels("all") == tuple(ChannelName)
    assert parse_channels("none") == ()


def test_channels_come_in_one_order_with_popularity_among_them() -> None:
    expected = (ChannelName.POPULARITY, ChannelName.LINEAR, ChannelName.MIND)
    assert parse_channels("mind, linear") == expected
    assert parse_channels("linear,popularity,mind") == expected


@pytest.mark.parametrize("text", ["", ",", "sasrek", "all,mind", "mind,mind"])
def test_other_words_are_refused_with_the_ones_there_are(text: str) -> None:
    with pytest.raises(SettingError, match=r"--channels .*: say all, none, or .*sasrec"):
        parse_channels(text)


def test_a_report_has_plain_words_for_every_channel() -> None:
    assert set(LABELS) == {*ChannelName, FEDERATED, FUSION, FUSION_WITHOUT}
