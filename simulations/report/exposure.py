"""Who learns what, by profile: the rows of DESIGN's trust table that a run went through."""

from collections.abc import Mapping
from dataclasses import dataclass

from federation.protocol.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What each party learns in one phase."""

    phase: str
    item_party: str
    partner: str
    coordinator: str


_ALIGNMENT = Exposure(
    phase="alignment",
    item_party="which of its users each partner has",
    partner="which of its users the item party has",
    coordinator="blinded points and set sizes",
)
_SUM = Exposure(
    phase="forward",
    item_party="the sum of the partners' embeddings for each user; of a user whom only one "
    "partner knows, that is this partner's embedding",
    partner="nothing new: its own embeddings",
    coordinator="order and sizes; it adds ciphertexts it cannot read",
)
_CLEAR = Exposure(
    phase="forward",
    item_party="the sum of the partners' embeddings for each user",
    partner="nothing new: its own embeddings",
    coordinator="every partner's embedding of every user, in clear",
)
_BATCH_SUM = Exposure(
    phase="backward",
    item_party="one-time-padded values",
    partner="the batch sum of its gradient, without noise yet; never one user's gradient",
    coordinator="order and sizes",
)
_CLEAR_GRADIENTS = Exposure(
    phase="backward",
    item_party="nothing new",
    partner="every user's gradient, which gives away the items the user played",
    coordinator="order and sizes; each link is sealed from end to end",
)
_NO_BACKWARD = Exposure(
    phase="backward",
    item_party="nothing: the profile has no backward phase",
    partner="nothing: the profile has no backward phase",
    coordinator="nothing: the profile has no backward phase",
)
_SERVING = Exposure(
    phase="serving",
    item_party="the summed embedding of the users it serves",
    partner="that a refresh ran",
    coordinator="order and sizes",
)
_CLEAR_SERVING = Exposure(
    phase="serving",
    item_party="the summed embedding of the users it serves",
    partner="that a refresh ran",
    coordinator="every partner's embedding of the users it serves, in clear",
)

_BY_PROFILE: Mapping[Profile, tuple[Exposure, ...]] = {
    Profile.STRICT: (_ALIGNMENT, _SUM, _BATCH_SUM, _SERVING),
    Profile.FROZEN: (_ALIGNMENT, _SUM, _NO_BACKWARD, _SERVING),
    Profile.PLAIN: (_ALIGNMENT, _CLEAR, _CLEAR_GRADIENTS, _CLEAR_SERVING),
}


def exposures(profile: Profile, *, partners: int) -> tuple[Exposure, ...]:
    """Who learned what in a run of `profile`.

    Args:
        profile: the protection.
        partners: how many took part; the sum over one is that one's embedding.
    """
    rows = _BY_PROFILE[profile]
    if partners > 1:
        return rows
    raw = "the only partner's embedding of each user: with one partner the sum hides nothing"
    return tuple(
        Exposure(
            phase=row.phase,
            item_party=raw if row.phase in {"forward", "serving"} else row.item_party,
            partner=row.partner,
            coordinator=row.coordinator,
        )
        for row in rows
    )
