"""People: tastes, languages, ages and how much they listen. Some use the platform, some do not."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from simulations.world.arrays import Doubles, Floats, Ints, Strings, unit_rows
from simulations.world.catalogue import LATENT_DIM, Scenes, language_shares
from simulations.world.config import WorldConfig
from simulations.world.draws import Stream, blur, open_stream, random_ids

INTERESTS = 3  # the most interests a person has
TASTE_SPREAD = 0.6  # how far a person strays from the scene they like, in units of its norm
SAME_GENRE_SHARE = 0.4  # of second and third interests, those that stay in the first one's genre
# Scores added to a song in the mother tongue, in the first language and in any other.
MOTHER_TONGUE, LINGUA_FRANCA, FOREIGN = 0.0, -1.6, -3.2
REGIONS_PER_LANGUAGE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Everyone in the world; the first `users` rows are the platform's users."""

    users: int
    ids: Strings
    scene: Ints  # (people, INTERESTS)
    weight: Floats  # (people, INTERESTS), rows sum to 1, 0 for an interest that is not there
    latent: Floats  # (people, INTERESTS, LATENT_DIM), unit rows
    language: Ints
    language_score: Floats  # (people, languages), at most about 0
    region: Ints
    age: Ints  # years
    sessions: Doubles  # expected sessions in the log; 0 for a silent user and outside the platform

    @property
    def count(self) -> int:
        """How many people there are, platform users and outsiders."""
        return int(self.ids.size)


def make_people(config: WorldConfig, scenes: Scenes) -> People:
    """Draw the people of a world."""
    rng = open_stream(config.seed, Stream.PEOPLE)
    count = config.users + round(config.outsiders * config.users)
    scene = _interests(count, scenes, rng)
    language = rng.choice(config.languages, count, p=language_shares(config.languages))
    stray = TASTE_SPREAD * LATENT_DIM**-0.5 * rng.standard_normal((*scene.shape, LATENT_DIM))
    return People(
        users=config.users,
        ids=random_ids("u", count, rng),
        scene=scene,
        weight=_weights(count, multi_taste=config.multi_taste, rng=rng),
        latent=unit_rows(scenes.latent[scene] + stray).astype(np.float32),
        language=language,
        language_score=_language_scores(language, config.languages, rng),
        region=language * REGIONS_PER_LANGUAGE + rng.integers(REGIONS_PER_LANGUAGE, size=count),
        age=_ages(scenes.genre[scene[:, 0]], rng),
        sessions=_sessions(config, count, rng),
    )


def users_table(config: WorldConfig, people: People) -> pd.DataFrame:
    """The platform's own, weak knowledge of its users: `country` and `signup_month`."""
    rng = open_stream(config.seed, Stream.PEOPLE, index=1)
    country = blur(people.language[: people.users], signal=config.own_signal, rng=rng)
    table = pd.DataFrame(
        {
            "user_id": people.ids[: people.users],
            "country": np.char.add("country_", np.char.zfill(country.astype(np.str_), 2)),
            "signup_month": rng.integers(1, 13, size=people.users),
        }
    )
    return table.sort_values("user_id", ignore_index=True)


def _interests(count: int, scenes: Scenes, rng: np.random.Generator) -> Ints:
    drawn = rng.choice(scenes.share.size, (count, INTERESTS), p=scenes.share)
    per_genre = scenes.share.size // (scenes.genre[-1] + 1)
    siblings = scenes.genre[drawn[:, :1]] * per_genre + rng.integers(per_genre, size=drawn.shape)
    stays = rng.random(drawn.shape) < SAME_GENRE_SHARE
    stays[:, 0] = False
    return np.where(stays, siblings, drawn)


def _weights(count: int, *, multi_taste: float, rng: np.random.Generator) -> Floats:
    interests = np.where(rng.random(count) < multi_taste, rng.integers(2, INTERESTS + 1, count), 1)
    raw = rng.gamma(4.0, size=(count, INTERESTS)) * (np.arange(INTERESTS) < interests[:, None])
    weights: Floats = (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)
    return weights


def _language_scores(language: Ints, languages: int, rng: np.random.Generator) -> Floats:
    scores = FOREIGN + 0.4 * rng.standard_normal((language.size, languages))
    scores[:, 0] += LINGUA_FRANCA - FOREIGN
    scores[np.arange(language.size), language] = MOTHER_TONGUE
    return np.minimum(scores, MOTHER_TONGUE).astype(np.float32)


def _ages(genre: Ints, rng: np.random.Generator) -> Ints:
    centre = rng.uniform(20, 50, genre.max() + 1)
    ages: Ints = np.clip(rng.normal(centre[genre], 9.0), 14, 90).astype(np.int64)
    return ages


def _sessions(config: WorldConfig, count: int, rng: np.random.Generator) -> Doubles:
    """Expected sessions a person, log-normal with the configured mean."""
    spread = config.activity_spread
    factors = np.exp(spread * rng.standard_normal(count) - spread**2 / 2)
    sessions: Doubles = np.clip(config.mean_sessions * factors, 1.0, 20.0 * config.mean_sessions)
    silent = rng.permutation(config.users)[: round(config.silent_users * config.users)]
    sessions[silent] = 0.0
    sessions[config.users :] = 0.0
    return sessions
