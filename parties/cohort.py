"""How few partners a run may have."""

from collections.abc import Sequence

from federation.errors import SettingError, SinglePartnerError
from federation.protocol.profile import Profile
from parties.config import RunConfig


def check_cohort(config: RunConfig, partners: Sequence[str]) -> int:
    """The fewest partners a sum may be made of in this run.

    Args:
        config: profile, `exchange.min_cohort` and `exchange.accept_single_partner`.
        partners: names of the partners of the run.

    Raises:
        SinglePartnerError: one partner, where the sum over partners protects it.
        SettingError: no partner, or fewer than `exchange.min_cohort`.
    """
    if not partners:
        raise SettingError("a federation needs at least one partner")
    if len(partners) == 1:
        if config.profile is Profile.STRICT and not config.exchange.accept_single_partner:
            raise SinglePartnerError(
                f"{partners[0]} is the only partner: the item party would see its embedding, "
                "not a sum. Two ways on: --profile frozen, which sends one fixed projection and "
                "trains nothing on the partner's side, or --accept-single-partner, which the "
                "report prints in red"
            )
        return 1
    floor = config.exchange.min_cohort
    if len(partners) < floor:
        raise SettingError(
            f"{len(partners)} partners are fewer than exchange.min_cohort = {floor}"
        )
    return floor
