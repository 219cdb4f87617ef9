import numpy as np
import pytest

from federation.crypto.cipher import Scheme
from federation.errors import MalformedError
from tests.federation.crypto.summing import make_parties, some_values


def test_a_sum_is_taken_in_float32_in_roster_order() -> None:
    values = some_values(3, (40, 30), seed=0)

    total = make_parties(Scheme.CLEAR, parties=3).total(values)

    assert total.tobytes() == ((values[0] + values[1]) + values[2]).tobytes()


def test_a_payload_is_the_values_themselves() -> None:
    parties = make_parties(Scheme.CLEAR)
    values = some_values(2, (3, 4), seed=1)

    payloads = parties.contributions(values)[0]

    assert payloads == (parties.key_pair.fingerprint + values[0].tobytes(),)
    assert parties.encryptors[0].clipped == 0


def test_a_contribution_that_is_not_finite_is_refused() -> None:
    parties = make_parties(Scheme.CLEAR)
    first, second = parties.contributions(some_values(2, (1, 1), seed=2))
    poisoned = second[0][:-4] + np.float32(np.nan).tobytes()

    with pytest.raises(MalformedError, match="not finite"):
        parties.adder.add([first, (poisoned,)], shape=(1, 1))


def test_a_sum_that_overflows_is_refused_by_its_reader() -> None:
    parties = make_parties(Scheme.CLEAR)
    values = [np.full((1, 1), 3e38, np.float32)] * 2

    with pytest.raises(MalformedError, match="not finite"):
        parties.total(values)


def test_payloads_of_another_shape_are_refused() -> None:
    parties = make_parties(Scheme.CLEAR)
    first, second = parties.contributions(some_values(2, (2, 3), seed=3))

    with pytest.raises(MalformedError, match="bytes arrived"):
        parties.adder.add([first, second], shape=(2, 4))
