"""A whole listening world, made from its settings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from simulations.world.catalogue import Catalogue, items_table, make_catalogue
from simulations.world.config import WorldConfig
from simulations.world.knowledge import knowledge_triples
from simulations.world.listening import MEAN_WANDER, Listening
from simulations.world.partners import partner_table
from simulations.world.people import People, make_people, users_table
from simulations.world.truth import Truth


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """A listening world: the tables each party holds, and the truth that none of them may see.

    Tables are made when first asked for; `event_chunks` never holds the whole log.
    """

    config: WorldConfig
    catalogue: Catalogue
    people: People
    truth: Truth

    def event_chunks(self) -> Iterator[pd.DataFrame]:
        """The platform's log, a few thousand users at a time, always the same."""
        return Listening(
            config=self.config, people=self.people, catalogue=self.catalogue, truth=self.truth
        ).chunks()

    @cached_property
    def events(self) -> pd.DataFrame:
        """The platform's whole log: one row a play, users in turn, each in order of time."""
        return pd.concat(list(self.event_chunks()), ignore_index=True)

    @cached_property
    def items(self) -> pd.DataFrame:
        """The platform's songs: `item_id`, artist, album, genre, language, audio."""
        return items_table(self.catalogue, self.config.seed)

    @cached_property
    def users(self) -> pd.DataFrame:
        """The platform's own, weak user features; silent users are in it."""
        return users_table(self.config, self.people)

    @cached_property
    def triples(self) -> pd.DataFrame:
        """The knowledge graph: `head`, `relation`, `tail`."""
        return knowledge_triples(self.config, self.catalogue)

    @cached_property
    def partners(self) -> Mapping[str, pd.DataFrame]:
        """Each partner's table by its name."""
        return {
            spec.name: partner_table(self.config, spec, self.people, self.catalogue)
            for spec in self.config.partners
        }


def generate(config: WorldConfig) -> World:
    """Make a world; the same settings give the same world on the same machine."""
    catalogue = make_catalogue(config)
    people = make_people(config, catalogue.scenes)
    return World(
        config=config,
        catalogue=catalogue,
        people=people,
        truth=_truth(config, catalogue, people),
    )


def _truth(config: WorldConfig, catalogue: Catalogue, people: People) -> Truth:
    platform = np.arange(people.users)
    return Truth(
        user_ids=people.ids[platform],
        item_ids=catalogue.ids,
        user_weight=people.weight[platform],
        user_latent=people.latent[platform],
        user_language=people.language_score[platform],
        song_latent=catalogue.latent,
        song_language=catalogue.language,
        song_popularity=catalogue.popularity,
        song_seconds=catalogue.seconds,
        taste=float(config.taste),
        wander=MEAN_WANDER,
    )
