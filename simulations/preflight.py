"""What can be told before any work: settings that this data cannot be run with."""

from typing import Final

from federation.crypto.gradient_config import USERS_PER_COLUMN
from federation.errors import NoSharedUserError, SmallBatchError
from federation.protocol.profile import Profile
from parties.ciphers import GROUP_ROWS, forward_cipher, gradient_config
from parties.cohort import check_cohort
from simulations.listening import Listening
from simulations.run_folder import Plan
from simulations.splits import cold_users

MIN_WIDTH: Final = 4  # columns of an encoder below which little is left of the features


def check_runnable(plan: Plan, listening: Listening) -> None:
    """Refuse settings that would only fail later, before any work is done.

    Raises:
        SettingError: names the setting and the way out.
        NoSharedUserError: a partner has no user in common with the item party.
    """
    config = plan.config.run
    partners = tuple(listening.partners)
    check_cohort(config, partners)
    forward_cipher(config, len(partners))
    gradient_config(config)
    cold_users(listening, plan.config.evaluation.cold_share, seed=config.seed)
    known = listening.known().sum(axis=0)
    for name, shared in zip(partners, known, strict=True):
        if not shared:
            raise NoSharedUserError(
                f"partner {name} shares no user with the item party: are its user_ids written "
                "in the same form?"
            )
        _check_batches(plan, name, int(shared), len(listening.users))


def _check_batches(plan: Plan, name: str, shared: int, users: int) -> None:
    """A batch without noise must be large against the encoder's width."""
    config = plan.config.run
    if config.profile is not Profile.STRICT:
        return
    batches = -(-users // (config.exchange.batch_groups * GROUP_ROWS))
    expected = shared // batches
    widest = expected // USERS_PER_COLUMN
    if config.encoder.width > widest:
        way_out = (
            f"--set encoder.width={widest}, more exchange.batch_groups, or --profile frozen"
            if widest >= MIN_WIDTH
            else "--profile frozen, which sends nothing back"
        )
        raise SmallBatchError(
            f"partner {name} has about {expected} users a batch, too few to return a sum of "
            f"encoder.width = {config.encoder.width} columns without noise: single users "
            f"could be told apart. Way out: {way_out}"
        )
