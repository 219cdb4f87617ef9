"""Knowledge triples: what is publicly known of songs and artists."""

import numpy as np
import pandas as pd

from simulations.world.arrays import Ints, Strings
from simulations.world.catalogue import Catalogue
from simulations.world.config import WorldConfig
from simulations.world.draws import Stream, open_stream

SIMILAR_ARTISTS = 3
SERIES_PER_SONG, SERIES_SONGS = 0.02, 8  # television series, and the songs each features
BLOCK = 1024  # artists compared with their scene at a time


def knowledge_triples(config: WorldConfig, catalogue: Catalogue) -> pd.DataFrame:
    """Triples `head`, `relation`, `tail`; a head that is an item id is that song."""
    rng = open_stream(config.seed, Stream.KNOWLEDGE)
    artists = catalogue.artists
    second = artists.second_genre >= 0
    artist, similar = _similar_artists(catalogue)
    song, series = _series(catalogue, rng)
    parts = [
        (catalogue.ids, "by_artist", artists.names[catalogue.artist]),
        (catalogue.ids, "on_album", catalogue.album_names),
        (catalogue.ids, "in_language", _language(catalogue)),
        (artists.names, "has_genre", _genre(catalogue, catalogue.scenes.genre[artists.scene])),
        (artists.names[second], "has_genre", _genre(catalogue, artists.second_genre[second])),
        (artists.names[artist], "similar_to", artists.names[similar]),
        (catalogue.ids[song], "featured_in", np.char.add("series_", series.astype(np.str_))),
    ]
    return pd.concat([_triples(*part) for part in parts], ignore_index=True)


def _triples(head: Strings, relation: str, tail: Strings) -> pd.DataFrame:
    columns = {"head": head, "relation": np.full(head.size, relation), "tail": tail}
    return pd.DataFrame(columns, dtype="str")


def _genre(catalogue: Catalogue, genre: Ints) -> Strings:
    names: Strings = np.char.add("genre_", catalogue.genre_names[genre])
    return names


def _language(catalogue: Catalogue) -> Strings:
    names: Strings = np.char.add("language_", catalogue.language_names[catalogue.language])
    return names


def _similar_artists(catalogue: Catalogue) -> tuple[Ints, Ints]:
    """Every artist with the nearest others of the same scene."""
    pairs = [
        _nearest(np.flatnonzero(catalogue.artists.scene == scene), catalogue)
        for scene in range(catalogue.scenes.genre.size)
    ]
    artist, similar = np.concatenate(pairs, axis=1)
    return artist, similar


def _nearest(members: Ints, catalogue: Catalogue) -> Ints:
    """Pairs (2, n) of a scene's artists and their nearest neighbours in it."""
    latent = catalogue.artists.latent[members]
    count = min(SIMILAR_ARTISTS, members.size - 1)
    pairs = [np.empty((2, 0), dtype=np.int64)]
    for start in range(0, members.size if count > 0 else 0, BLOCK):
        rows = np.arange(start, min(start + BLOCK, members.size))
        likeness = latent[rows] @ latent.T
        likeness[np.arange(rows.size), rows] = -np.inf
        nearest = np.argpartition(-likeness, count - 1, axis=1)[:, :count]
        pairs.append(np.stack([np.repeat(members[rows], count), members[nearest.ravel()]]))
    return np.concatenate(pairs, axis=1)


def _series(catalogue: Catalogue, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Songs and the series that feature them; a series keeps to the songs of one scene."""
    scene = catalogue.artists.scene[catalogue.artist]
    count = max(1, round(SERIES_PER_SONG * scene.size))
    theme = scene[rng.integers(scene.size, size=count)]  # of a song's scene, so never empty
    order = np.argsort(scene, kind="stable")
    first, stop = np.searchsorted(scene[order], [theme, theme + 1])
    picks = first[:, None] + (rng.random((count, SERIES_SONGS)) * (stop - first)[:, None])
    series = np.repeat(np.arange(count), SERIES_SONGS)
    featured = np.stack([order[picks.astype(np.int64)].ravel(), series], axis=1)
    song, series = np.unique(featured, axis=0).T
    return song, series
