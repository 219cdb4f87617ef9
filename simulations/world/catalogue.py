"""Songs: artists with several songs each, albums, genres, languages, audio and popularity."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from simulations.world.arrays import Doubles, Floats, Ints, Strings, unit_rows
from simulations.world.config import WorldConfig
from simulations.world.draws import Stream, open_stream, random_ids, zipf_weights

LATENT_DIM = 16
ALBUM_SONGS = 9
SECOND_GENRE_SHARE = 0.25
AUDIO = ("energy", "valence", "acousticness", "danceability")
VERSIONS = ("original", "live", "remix", "acoustic")
VERSION_SHARES = (0.82, 0.07, 0.06, 0.05)
# fmt: off
GENRES = (
    "pop", "rock", "hiphop", "electronic", "rnb", "folk", "metal",
    "jazz", "classical", "country", "indie", "latin", "punk", "soul",
    "blues", "reggae", "ambient", "disco", "gospel", "opera",
)
LANGUAGES = (
    "en", "zh", "es", "hi", "ar", "pt", "fr", "ja", "ru", "de",
    "ko", "it", "tr", "vi", "id", "pl", "nl", "th", "sv", "el",
)
# fmt: on

# How far a level strays from the one above it, in units of that level's norm: songs of an
# artist are alike, artists of a scene less so, and scenes keep some of their genre.
SCENE_SPREAD, ARTIST_SPREAD, SONG_SPREAD = 0.8, 0.6, 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenes:
    """Sub-genres: the unit in which artists make music and people like it."""

    latent: Doubles  # (scenes, LATENT_DIM), unit rows
    genre: Ints  # (scenes,)
    share: Doubles  # (scenes,), how common the scene is among artists and people; sums to 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Artists:
    """Who makes the songs; row a is artist a."""

    names: Strings
    latent: Doubles  # (artists, LATENT_DIM), unit rows
    scene: Ints
    second_genre: Ints  # -1 where there is none
    language: Ints
    first_song: Ints  # (artists + 1,): songs first_song[a] to first_song[a + 1] are artist a's


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All songs; row i is song i, songs of one artist are neighbours."""

    genre_names: Strings
    language_names: Strings
    scenes: Scenes
    artists: Artists
    ids: Strings
    artist: Ints
    album: Ints  # numbered over the whole catalogue
    language: Ints
    latent: Floats  # (songs, LATENT_DIM), unit rows
    popularity: Doubles  # (songs,), sums to 1
    seconds: Ints

    @property
    def album_names(self) -> Strings:
        """The name of every song's album."""
        return _numbered("album_", self.album)


def make_catalogue(config: WorldConfig) -> Catalogue:
    """Draw the songs of a world."""
    rng = open_stream(config.seed, Stream.CATALOGUE)
    scenes = _make_scenes(config, rng)
    artists = _make_artists(config, scenes, rng)
    artist = np.repeat(np.arange(artists.names.size), np.diff(artists.first_song))
    latent = unit_rows(artists.latent[artist] + _offsets(config.songs, SONG_SPREAD, rng))
    return Catalogue(
        genre_names=_names(GENRES, "genre", config.genres),
        language_names=_names(LANGUAGES, "language", config.languages),
        scenes=scenes,
        artists=artists,
        ids=random_ids("s", config.songs, rng),
        artist=artist,
        album=_albums(artists.first_song, artist),
        language=artists.language[artist],
        latent=latent.astype(np.float32),
        popularity=_popularity(artist, exponent=config.zipf, rng=rng),
        seconds=np.clip(rng.lognormal(np.log(215), 0.25, config.songs), 90, 600).astype(np.int64),
    )


def items_table(catalogue: Catalogue, seed: int) -> pd.DataFrame:
    """The platform's song table: `item_id` and what a platform knows of a song.

    Popularity and latent positions stay out: the platform has to learn them from its log.
    """
    rng = open_stream(seed, Stream.CATALOGUE, index=1)
    songs = catalogue.ids.size
    columns: dict[str, object] = {
        "item_id": catalogue.ids,
        "artist": catalogue.artists.names[catalogue.artist],
        "album": catalogue.album_names,
        "genre": _artist_genres(catalogue)[catalogue.artist],
        "language": catalogue.language_names[catalogue.language],
        "version": rng.choice(np.array(VERSIONS), songs, p=VERSION_SHARES),
        "release_year": 2024 - np.minimum(rng.geometric(0.08, songs), 60),
        "song_seconds": catalogue.seconds,
        **_audio(catalogue, rng),
    }
    return pd.DataFrame(columns).sort_values("item_id", ignore_index=True)


def _make_scenes(config: WorldConfig, rng: np.random.Generator) -> Scenes:
    genre = np.repeat(np.arange(config.genres), config.scenes)
    centres = unit_rows(rng.standard_normal((config.genres, LATENT_DIM)))
    share = zipf_weights(config.genres, exponent=0.5)[genre] * rng.uniform(0.5, 1.5, genre.size)
    return Scenes(
        latent=unit_rows(centres[genre] + _offsets(genre.size, SCENE_SPREAD, rng)),
        genre=genre,
        share=share / share.sum(),
    )


def _make_artists(config: WorldConfig, scenes: Scenes, rng: np.random.Generator) -> Artists:
    count = max(2, round(config.songs / config.songs_per_artist))
    count = min(count, config.songs)
    scene = rng.choice(scenes.share.size, count, p=scenes.share)
    second = rng.integers(config.genres, size=count)
    single = (rng.random(count) >= SECOND_GENRE_SHARE) | (second == scenes.genre[scene])
    output = rng.lognormal(0.0, 0.8, count)  # a few artists have many songs
    songs = 1 + rng.multinomial(config.songs - count, output / output.sum())
    return Artists(
        names=_numbered("artist_", np.arange(count)),
        latent=unit_rows(scenes.latent[scene] + _offsets(count, ARTIST_SPREAD, rng)),
        scene=scene,
        second_genre=np.where(single, -1, second),
        language=rng.choice(config.languages, count, p=language_shares(config.languages)),
        first_song=np.concatenate([[0], np.cumsum(songs)]),
    )


def language_shares(languages: int) -> Doubles:
    """How common each language is, among artists as among people; sums to 1."""
    return zipf_weights(languages, exponent=0.8)


def _offsets(count: int, spread: float, rng: np.random.Generator) -> Doubles:
    """Random directions whose norm is about `spread`."""
    offsets: Doubles = spread * LATENT_DIM**-0.5 * rng.standard_normal((count, LATENT_DIM))
    return offsets


def _popularity(artist: Ints, *, exponent: float, rng: np.random.Generator) -> Doubles:
    """Zipf over songs, ranked so that known artists have the known songs."""
    fame = rng.normal(0.0, 1.0, artist.max() + 1)
    rank = np.argsort(np.argsort(-(fame[artist] + rng.normal(0.0, 0.8, artist.size))))
    ranked: Doubles = zipf_weights(artist.size, exponent=exponent, shift=2.0)[rank]
    return ranked


def _albums(first_song: Ints, artist: Ints) -> Ints:
    place = np.arange(artist.size) - first_song[artist]
    starts = place % ALBUM_SONGS == 0  # an artist's first song starts an album as well
    return np.cumsum(starts) - 1


def _artist_genres(catalogue: Catalogue) -> Strings:
    artists, names = catalogue.artists, catalogue.genre_names
    first = names[catalogue.scenes.genre[artists.scene]]
    both = np.char.add(np.char.add(first, "|"), names[artists.second_genre])
    genres: Strings = np.where(artists.second_genre < 0, first, both)
    return genres


def _audio(catalogue: Catalogue, rng: np.random.Generator) -> dict[str, Doubles]:
    """Descriptors in [0, 1] and a tempo in beats a minute, from genre, artist and the song."""
    features = len(AUDIO) + 1
    genre = catalogue.scenes.genre[catalogue.artists.scene][catalogue.artist]
    level = rng.normal(0.0, 1.0, (catalogue.genre_names.size, features))[genre]
    projection = rng.standard_normal((LATENT_DIM, features))
    own = catalogue.latent @ projection + rng.normal(0.0, 0.5, (genre.size, features))
    values = 1.0 / (1.0 + np.exp(-(level + own)))
    tempo = np.round(60 + 120 * values[:, -1], 1)
    return {"tempo": tempo, **{name: np.round(values[:, j], 3) for j, name in enumerate(AUDIO)}}


def _names(known: tuple[str, ...], noun: str, count: int) -> Strings:
    more = [f"{noun}_{number}" for number in range(len(known), count)]
    return np.array([*known[:count], *more])


def _numbered(prefix: str, numbers: Ints) -> Strings:
    names: Strings = np.char.add(prefix, np.char.zfill(numbers.astype(np.str_), 5))
    return names
