"""What a party agrees to, whatever a coordinator asks for.

A coordinator that orders a run decides much of what a party does with its memory, its time and
its data. Two kinds of settings are therefore never left to it. What spends this machine's means
(`MACHINE_KEYS`) is not taken from an order at all, for only its owner knows the machine. What can
weaken the protection or grow without end is held against a floor or a cap of `[policy]`.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from federation.crypto.cipher import Scheme
from federation.errors import SettingError
from federation.protocol.profile import Profile
from parties.config import RunConfig
from parties.errors import PolicyError
from parties.node.run_settings import leaves, put_settings, shown
from parties.settings import flatten, to_plain

# Choices a party may make for itself; none of them enters `RunConfig.agreement`.
OWN_KEYS: Final = (
    "exchange.rounding",
    "exchange.timeout_s",
    "exchange.cache_mib",
    "alignment.workers",
)
# Of these, what an order says is passed over: the default or [own] decides.
MACHINE_KEYS: Final = frozenset({"exchange.cache_mib", "alignment.workers"})

# Setting → key of [policy] that caps it.
CAPS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "training.epochs": "max_epochs",
        "encoder.width": "max_width",
        "trainer.model.embedding_dim": "max_dim",
        "trainer.model.top_hidden_dims": "max_hidden",
        "trainer.negatives": "max_negatives",
        "trainer.local_passes": "max_local_passes",
        "exchange.batch_groups": "max_batch_groups",
        "exchange.max_frame_mib": "max_frame_mib",
        "exchange.timeout_s": "max_timeout_s",
        "alignment.max_users": "max_users",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What this party agrees to, whatever the coordinator asks for.

    Args:
        profiles: protections a run may have, of `strict`, `frozen` and `plain`.
        schemes: encryptions the sums may be under, of `bfv` and `ckks`. CKKS takes no pairwise
            masks, so the coordinator and the item party together could open one partner's share.
        accept_single_partner: take part in a `strict` run whose sum may be of one partner, and is
            then its raw embedding: because there is no other, or because
            `exchange.partner_dropout` has the others leave users out. Under `frozen` one partner
            may always run: what it shows is a secret, fixed projection.
        min_cohort: fewest partners that `exchange.min_cohort` must ask for.
        apps: SHA-256, in 64 hex digits, of the application bundles this node runs; without the
            key, only the bundle that this version ships.
        max_epochs: most `training.epochs`; every epoch returns another sum of each user's
            gradients.
        max_width: most `encoder.width`; a wider encoder tells more of the features.
        max_dim: most `trainer.model.embedding_dim`.
        max_hidden: most units in a layer of `trainer.model.top_hidden_dims`.
        max_negatives: most `trainer.negatives`.
        max_local_passes: most `trainer.local_passes`.
        max_batch_groups: most `exchange.batch_groups`, of 128 users each.
        max_frame_mib: most `exchange.max_frame_mib`; what a peer may make this party hold.
        max_timeout_s: most `exchange.timeout_s`; how long a silent peer can hold this party up.
        max_users: most `alignment.max_users`; how long a list a peer may send.
    """

    profiles: tuple[Profile, ...] = (Profile.STRICT, Profile.FROZEN)
    schemes: tuple[Scheme, ...] = (Scheme.BFV,)
    accept_single_partner: bool = False
    min_cohort: int = 2
    apps: tuple[str, ...] | None = None
    max_epochs: int = 200
    max_width: int = 64
    max_dim: int = 128
    max_hidden: int = 2048
    max_negatives: int = 65_536
    max_local_passes: int = 32
    max_batch_groups: int = 64
    max_frame_mib: int = 256
    max_timeout_s: int = 3600
    max_users: int = 4_000_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """One setting of a run that a policy does not allow.

    Args:
        setting: its dotted key.
        value: what was ordered.
        line: what [policy] would have to say.
    """

    setting: str
    value: str
    line: str


def adopt(policy: Policy, ordered: Mapping[str, Any], own: Mapping[str, Any]) -> RunConfig:
    """The run as this party takes part in it.

    Args:
        policy: what it agrees to.
        ordered: the run's settings as the coordinator gave them; nothing about them is trusted.
        own: this party's own choices, by dotted keys of `OWN_KEYS`; they go over the order.

    Raises:
        PolicyError: a setting is unknown, of the wrong type, out of range or not agreed to.
    """
    try:
        taken = {key: value for key, value in leaves(ordered) if key not in MACHINE_KEYS}
        run = put_settings(RunConfig(), taken)
    except SettingError as error:
        raise PolicyError(f"the coordinator orders what no run can have: {error}") from error
    if refused := list(refusals(policy, run)):
        raise PolicyError("; ".join(map(_sentence, refused)))
    return put_settings(run, own)


def refusals(policy: Policy, run: RunConfig) -> Iterator[Refusal]:
    """Everything in a run that a policy does not allow, the gravest first."""
    profile, exchange = run.profile, run.exchange
    if profile not in policy.profiles:
        names = [each.value for each in (*policy.profiles, profile)]
        yield Refusal("profile", profile.value, f"profiles = {json.dumps(names)}")
    if profile.protected and exchange.scheme not in policy.schemes:
        names = [each.value for each in (*policy.schemes, exchange.scheme)]
        yield Refusal("exchange.scheme", names[-1], f"schemes = {json.dumps(names)}")
    if exchange.accept_single_partner and not policy.accept_single_partner:
        yield Refusal("exchange.accept_single_partner", "true", "accept_single_partner = true")
    if _thins_sums(run) and not policy.accept_single_partner:
        dropout = shown(exchange.partner_dropout)
        yield Refusal("exchange.partner_dropout", dropout, "accept_single_partner = true")
    if exchange.min_cohort < policy.min_cohort:
        cohort = str(exchange.min_cohort)
        yield Refusal("exchange.min_cohort", cohort, f"min_cohort = {cohort}")
    yield from _beyond_caps(policy, dict(flatten(to_plain(run))))


def _thins_sums(run: RunConfig) -> bool:
    """Whether sums may lack partners, however many greeted."""
    return run.profile.trains_partners and run.exchange.partner_dropout > 0


def _beyond_caps(policy: Policy, values: Mapping[str, Any]) -> Iterator[Refusal]:
    for setting, key in CAPS.items():
        value = values[setting]
        largest = max(value, default=0) if isinstance(value, list) else value
        if largest > getattr(policy, key):
            yield Refusal(setting, shown(value), f"{key} = {math.ceil(largest)}")


def _sentence(refusal: Refusal) -> str:
    return (
        f"the coordinator orders {refusal.setting} = {refusal.value}, which this party did not "
        f"agree to: order less, or let [policy] of its party.toml say {refusal.line}"
    )
