"""What partners know: noisy, partial views of the same people's taste."""

from binascii import crc32
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pandas as pd

from simulations.world.arrays import Doubles, Ints, Strings
from simulations.world.catalogue import Catalogue, Scenes
from simulations.world.config import PartnerKind, PartnerSpec, WorldConfig
from simulations.world.draws import Stream, blur, choose_columns, open_stream, zipf_weights
from simulations.world.people import People

FRIENDS, FRIEND_SPREAD = 7.0, 0.8  # median friendships a person starts, and their log-deviation
SAME_LANGUAGE = 0.8  # of friendships that taste decides, those within a language
VIEWS, VIEW_SPREAD = 60.0, 0.8  # median videos a person watched, and their log-deviation
CATEGORIES = 30  # of videos
MISSING_AGE = 0.15
PLANS = ("prepaid", "basic", "family", "unlimited")
DEVICES = ("phone", "tablet", "tv", "watch", "car")
DEVICE_SHARES = (0.97, 0.35, 0.3, 0.15, 0.1)
HOUSEHOLDS = ("single", "couple", "family", "shared")


def partner_table(
    config: WorldConfig, spec: PartnerSpec, people: People, catalogue: Catalogue
) -> pd.DataFrame:
    """The table of one partner, in order of `user_id`; every person it knows has a row.

    It depends on the people and on this partner's own settings, not on the other partners.
    """
    rng = open_stream(config.seed, Stream.PARTNER, index=crc32(spec.name.encode()))
    clear = replace(spec, signal=spec.signal * config.signal)
    return VIEWS_BY_KIND[spec.kind](clear, people, catalogue.scenes, rng)


def _known(spec: PartnerSpec, people: People, rng: np.random.Generator) -> Ints:
    """The rows of the people a partner knows: the same share of users and of outsiders."""
    users = rng.permutation(people.users)[: max(2, round(spec.coverage * people.users))]
    others = people.users + rng.permutation(people.count - people.users)
    return np.concatenate([users, others[: round(spec.coverage * others.size)]])


def _social(
    spec: PartnerSpec, people: People, scenes: Scenes, rng: np.random.Generator
) -> pd.DataFrame:
    """A friendship graph: `user_id`, `feature` (a friend's user id), both directions.

    Friends share a scene, and mostly a language, where taste decides; else they met by chance.
    """
    known = _known(spec, people, rng)
    started = np.rint(FRIENDS * rng.lognormal(0.0, FRIEND_SPREAD, known.size)).astype(np.int64)
    person = np.repeat(known, np.maximum(started, 1))  # so that nobody is without a friend
    friend = rng.choice(known, person.size)
    alike = rng.random(person.size) < spec.signal
    friend[alike] = _like_minded(person[alike], known, people, rng)
    friend = _not_oneself(person, friend, known)
    pairs = np.unique(np.stack([np.r_[person, friend], np.r_[friend, person]], axis=1), axis=0)
    table = pd.DataFrame({"user_id": people.ids[pairs[:, 0]], "feature": people.ids[pairs[:, 1]]})
    return table.sort_values(["user_id", "feature"], ignore_index=True)


def _like_minded(person: Ints, known: Ints, people: People, rng: np.random.Generator) -> Ints:
    """For each person somebody who shares the scene of one of their interests."""
    languages = people.language_score.shape[1]
    row, interest = np.nonzero(people.weight[known])
    fan = known[row]
    cell = people.scene[fan, interest] * languages + people.language[fan]
    order = np.argsort(cell, kind="stable")
    scene = people.scene[person, choose_columns(people.weight[person], rng)]
    within = rng.random(person.size) < SAME_LANGUAGE
    low = scene * languages + np.where(within, people.language[person], 0)
    high = scene * languages + np.where(within, people.language[person] + 1, languages)
    first, stop = np.searchsorted(cell[order], [low, high])
    place = first + (rng.random(person.size) * (stop - first)).astype(np.int64)
    friends: Ints = fan[order[place]]
    return friends


def _not_oneself(person: Ints, friend: Ints, known: Ints) -> Ints:
    """Replace whoever drew themselves as a friend by the next person in the partner's list."""
    place = np.empty(known.max() + 1, dtype=np.int64)
    place[known] = np.arange(known.size)
    following = known[(place[friend] + 1) % known.size]
    return np.where(friend == person, following, friend)


def _video(
    spec: PartnerSpec, people: People, scenes: Scenes, rng: np.random.Generator
) -> pd.DataFrame:
    """How often each category was watched: `user_id`, `feature` (category), `value` (a count)."""
    known = _known(spec, people, rng)
    popular = rng.permutation(zipf_weights(CATEGORIES, exponent=0.7))
    profile = _scene_categories(scenes, popular, rng)
    driven = np.einsum("pm,pmc->pc", people.weight[known], profile[people.scene[known]])
    shares = spec.signal * driven + (1 - spec.signal) * popular
    views = np.maximum(1, np.rint(VIEWS * rng.lognormal(0.0, VIEW_SPREAD, known.size)))
    counts = rng.multinomial(views.astype(np.int64), shares / shares.sum(axis=1, keepdims=True))
    row, category = np.nonzero(counts)
    table = pd.DataFrame(
        {
            "user_id": people.ids[known[row]],
            "feature": _label("category_", category),
            "value": counts[row, category],
        }
    )
    return table.sort_values(["user_id", "feature"], ignore_index=True)


def _scene_categories(scenes: Scenes, popular: Doubles, rng: np.random.Generator) -> Doubles:
    """The categories that people of a scene watch: (scenes, categories), rows sum to 1.

    Scenes of a genre watch much the same, and everybody watches what is popular.
    """
    by_genre = rng.dirichlet(np.full(CATEGORIES, 0.15), scenes.genre.max() + 1)
    by_scene = rng.dirichlet(np.full(CATEGORIES, 0.15), scenes.genre.size)
    mixed: Doubles = 0.5 * by_genre[scenes.genre] + 0.2 * by_scene + 0.3 * popular
    return mixed


def _telecom(
    spec: PartnerSpec, people: People, scenes: Scenes, rng: np.random.Generator
) -> pd.DataFrame:
    """A customer file: `region` follows language, `age` taste; `plan` and `devices` nothing."""
    known = _known(spec, people, rng)
    owns = rng.random((known.size, len(DEVICES))) < DEVICE_SHARES
    return _wide(
        people.ids[known],
        region=_label("region_", blur(people.region[known], signal=spec.signal, rng=rng)),
        age=_with_gaps(blur(people.age[known], signal=spec.signal, rng=rng), rng),
        plan=rng.choice(np.array(PLANS), known.size, p=(0.3, 0.35, 0.2, 0.15)),
        devices=["|".join(np.array(DEVICES)[row]) for row in owns],
    )


def _demographics(
    spec: PartnerSpec, people: People, scenes: Scenes, rng: np.random.Generator
) -> pd.DataFrame:
    """A survey: `age` follows taste, `mother_tongue` language, `household` nothing."""
    known = _known(spec, people, rng)
    return _wide(
        people.ids[known],
        age=_with_gaps(blur(people.age[known], signal=spec.signal, rng=rng), rng),
        mother_tongue=_label("tongue_", blur(people.language[known], signal=spec.signal, rng=rng)),
        household=rng.choice(np.array(HOUSEHOLDS), known.size),
    )


def _wide(user_ids: Strings, **columns: Sequence[str] | Strings | Doubles) -> pd.DataFrame:
    table = pd.DataFrame({"user_id": user_ids, **columns})
    return table.sort_values("user_id", ignore_index=True)


def _with_gaps(ages: Ints, rng: np.random.Generator) -> Doubles:
    return np.where(rng.random(ages.size) < MISSING_AGE, np.nan, ages)


def _label(prefix: str, numbers: Ints) -> Strings:
    names: Strings = np.char.add(prefix, np.char.zfill(numbers.astype(np.str_), 2))
    return names


View = Callable[[PartnerSpec, People, Scenes, np.random.Generator], pd.DataFrame]
VIEWS_BY_KIND: Mapping[PartnerKind, View] = MappingProxyType(
    {
        PartnerKind.SOCIAL: _social,
        PartnerKind.VIDEO: _video,
        PartnerKind.TELECOM: _telecom,
        PartnerKind.DEMOGRAPHICS: _demographics,
    }
)
