"""What can be told before any work: settings that this data cannot be run with."""

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from federation.crypto.gradient_config import USERS_PER_COLUMN
from federation.errors import NoSharedUserError, SettingError, SmallBatchError
from federation.protocol.profile import Profile
from parties.batches import BatchPlan
from parties.ciphers import check_ciphers
from parties.cohort import check_cohort
from parties.config import RunConfig
from recall.fitting import FittingConfig
from simulations.baselines import slots_of_users
from simulations.holdout import hold_out
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
    check_ciphers(config, len(partners))
    cold_users(listening, plan.config.evaluation.cold_share, seed=config.seed)
    if plan.channels:
        _check_channels(plan, listening)
    known = listening.known()
    for name, shared in zip(partners, known.sum(axis=0), strict=True):
        if not shared:
            raise NoSharedUserError(
                f"partner {name} shares no user with the item party: are its user_ids written "
                "in the same form?"
            )
    if config.profile is Profile.STRICT:
        for name, knows in zip(partners, known.T, strict=True):
            runs = [replace(config, seed=seed) for seed in plan.seeds]
            _check_batches(config, name, min(_fewest_users(run, knows) for run in runs))


def _check_channels(plan: Plan, listening: Listening) -> None:
    """A comparison of channels needs people to fit the fusion on, and others to judge it."""
    config, fewest = plan.config.evaluation, FittingConfig().min_users
    for seed in plan.seeds:
        split = hold_out(listening, config, seed=seed, channels=True)
        if not len(split.judged) or len(split.fitting) < fewest:
            users = len(split.fitting) + len(split.judged)
            raise SettingError(
                f"--channels: of the {users} users whose songs can be hidden, "
                f"evaluation.fitting_share = {config.fitting_share} are fewer than the {fewest} "
                "that fusion is fitted on: hide more with evaluation.hidden_share, or leave "
                "--channels out"
            )


def _fewest_users(config: RunConfig, known: npt.NDArray[np.bool_]) -> int:
    """Users a partner has in the batch that holds fewest of them, as the seed will draw it."""
    slots = slots_of_users(config, len(known))
    return BatchPlan(config, len(known)).fewest(slots[known])


def _check_batches(config: RunConfig, name: str, users: int) -> None:
    """A batch without noise must be large against the encoder's width."""
    widest = users // USERS_PER_COLUMN
    if config.encoder.width <= widest:
        return
    way_out = (
        f"--set encoder.width={widest}, more exchange.batch_groups, or --profile frozen"
        if widest >= MIN_WIDTH
        else "--profile frozen, which sends nothing back"
    )
    raise SmallBatchError(
        f"partner {name} has only {users} users in a batch, too few to return a sum of "
        f"encoder.width = {config.encoder.width} columns without noise, for which "
        f"{USERS_PER_COLUMN * config.encoder.width} are needed: single users could be told "
        f"apart. Way out: {way_out}"
    )
