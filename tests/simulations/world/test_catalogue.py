import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from simulations.world import World, WorldConfig
from simulations.world.catalogue import make_catalogue
from simulations.world.draws import zipf_weights


def test_every_song_has_one_row_and_an_id_with_a_prefix(world: World, small: WorldConfig) -> None:
    items = world.items
    assert len(items) == small.songs
    assert items["item_id"].is_unique
    assert items["item_id"].str.fullmatch(r"s\d{4}").all()


def test_an_album_belongs_to_one_artist(world: World) -> None:
    assert (world.items.groupby("album")["artist"].nunique() == 1).all()
    assert world.items.groupby("album").size().max() <= 9


def test_songs_of_an_artist_share_genre_and_language(world: World) -> None:
    per_artist = world.items.groupby("artist")
    assert (per_artist["genre"].nunique() == 1).all()
    assert (per_artist["language"].nunique() == 1).all()


def test_some_artists_have_two_genres(world: World) -> None:
    two = world.items["genre"].str.contains("|", regex=False)
    assert 0.02 < two.mean() < 0.6
    assert (
        world.items.loc[two, "genre"].str.split("|").map(lambda pair: len(set(pair))).eq(2).all()
    )


def test_audio_lies_in_its_range(world: World) -> None:
    descriptors = world.items[["energy", "valence", "acousticness", "danceability"]]
    assert descriptors.to_numpy().min() >= 0
    assert descriptors.to_numpy().max() <= 1
    assert world.items["tempo"].between(60, 180).all()
    assert world.items["song_seconds"].between(90, 600).all()


def test_audio_tells_genres_and_artists_apart(world: World) -> None:
    energy = world.items["energy"]
    for level in ("genre", "artist"):
        explained = energy.groupby(world.items[level]).transform("mean").var() / energy.var()
        shuffled = energy.sample(frac=1, random_state=0).reset_index(drop=True)
        by_chance = shuffled.groupby(world.items[level]).transform("mean").var() / energy.var()
        assert explained > by_chance + 0.2, level


def test_songs_of_an_artist_are_nearer_than_songs_of_others(world: World) -> None:
    catalogue = world.catalogue
    likeness = catalogue.latent @ catalogue.latent.T
    same_artist = catalogue.artist[:, None] == catalogue.artist
    genre = catalogue.scenes.genre[catalogue.artists.scene[catalogue.artist]]
    same_genre = genre[:, None] == genre
    artist, other = likeness[same_artist].mean(), likeness[~same_genre].mean()
    assert artist > likeness[same_genre & ~same_artist].mean() > other


def test_popularity_follows_zipf(world: World, small: WorldConfig) -> None:
    ranked = np.sort(world.catalogue.popularity)[::-1]
    np.testing.assert_allclose(ranked, zipf_weights(small.songs, exponent=small.zipf, shift=2.0))


def test_an_id_says_nothing_of_popularity(world: World) -> None:
    number = pd.Series(world.catalogue.ids).str[1:].astype(int)
    rank = pd.Series(world.catalogue.popularity).rank()
    assert abs(number.corr(rank)) < 0.2  # 300 songs: three deviations of chance


@settings(max_examples=25, deadline=None)
@given(
    songs=st.integers(20, 200),
    per_artist=st.floats(1, 1000),
    genres=st.integers(2, 40),
    scenes=st.integers(1, 20),
    languages=st.integers(1, 20),
)
def test_any_catalogue_is_complete(
    songs: int, per_artist: float, genres: int, scenes: int, languages: int
) -> None:
    config = WorldConfig(
        songs=songs,
        songs_per_artist=per_artist,
        genres=genres,
        scenes=scenes,
        languages=languages,
    )
    catalogue = make_catalogue(config)
    assert catalogue.ids.size == catalogue.artist.size == catalogue.album.size == songs
    assert np.unique(catalogue.artist).size == catalogue.artists.names.size >= 2
    assert catalogue.genre_names.size == genres
    assert np.unique(catalogue.genre_names).size == genres
    assert np.unique(catalogue.language_names).size == languages
    np.testing.assert_allclose(np.linalg.norm(catalogue.latent, axis=1), 1.0, rtol=1e-5)
    assert (np.diff(catalogue.album) >= 0).all()
