"""Last.fm data sets cut vertically: who would hold which columns if they were companies.

Source: Cantador, Brusilovsky and Kuflik, HetRec workshop at RecSys 2011 (lastfm-2k); a 15,000-user
sample of Celma's Last.fm-360K, used by Ledolter, "Data Mining and Business Analytics with R",
Wiley 2013 (lastfm-15k). Both allow non-commercial research only.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from parties.tables import (
    ColumnKind,
    FederationTables,
    ItemTables,
    PartnerTable,
    check_events,
    long_features,
    wide_features,
)
from simulations.data.loaded import LoadedData
from simulations.errors import DataSetDamagedError, DataSetMissingError

LASTFM_2K = "lastfm-2k"
LASTFM_15K = "lastfm-15k"

# Lines below the header, as the data sets' own descriptions count them; of the tag assignments'
# 186,479 one is blank.
LASTFM_2K_LINES: Mapping[str, int] = {
    "user_artists.dat": 92_834,
    "user_friends.dat": 25_434,
    "user_taggedartists.dat": 186_479,
    "tags.dat": 11_946,
    "artists.dat": 17_632,
}
LASTFM_15K_LINES: Mapping[str, int] = {"lastfm.csv": 289_955}


def read_lastfm_2k(folder: Path, *, by_month: bool = False) -> LoadedData:
    """Read lastfm-2k: listening at the item party, friends and tags at two partners.

    The partner `forum` holds how often a user gave each tag, and not to which artist: a tagged
    artist was very likely played. The artist-tag graph is the item party's, and is built from
    warm users' tags only (`simulations.knowledge.Shown`).

    Args:
        folder: the folder with the five .dat files.
        by_month: whether `forum` counts a tag in every month apart (`tag=13@2009-04`), instead
            of once (`tag=13`).

    Raises:
        DataSetMissingError: a file is not there.
        DataSetDamagedError: a file has other columns.
        DataError: a value is not what its column holds.
    """
    plays = _read_dat(folder / "user_artists.dat", ["userID", "artistID", "weight"])
    artists = _read_dat(folder / "artists.dat", ["id", "name", "url", "pictureURL"])
    friends = _read_dat(folder / "user_friends.dat", ["userID", "friendID"])
    tagged = _read_dat(
        folder / "user_taggedartists.dat",
        ["userID", "artistID", "tagID", "day", "month", "year"],
    )
    events = plays.rename(columns={"userID": "user_id", "artistID": "item_id"})
    items = artists[["id", "name"]].rename(columns={"id": "item_id"})
    tables = FederationTables(
        name=LASTFM_2K,
        item=ItemTables(
            events=check_events(events),
            items=wide_features(items, key="item_id", kinds={"name": ColumnKind.CATEGORICAL}),
        ),
        partners=(
            PartnerTable(name="social", features=long_features(_friendships(friends))),
            PartnerTable(name="forum", features=long_features(_tag_counts(tagged, by_month))),
        ),
    )
    known = tagged["artistID"].isin(artists["id"])
    return LoadedData(
        tables=tables, tags=_tags(tagged[known]), tag_names=_tag_names(folder / "tags.dat")
    )


def read_lastfm_15k(folder: Path) -> LoadedData:
    """Read lastfm-15k: listening at the item party, country and sex at two partners.

    Raises:
        DataSetMissingError: `lastfm.csv` is not there.
        DataSetDamagedError: it has other columns.
        DataError: a user has two countries or sexes, or a value is missing.
    """
    rows = _read_text(
        folder / "lastfm.csv", ["user", "artist", "sex", "country"], separator=","
    ).rename(columns={"user": "user_id", "artist": "item_id"})
    events = rows[["user_id", "item_id"]].drop_duplicates(ignore_index=True)
    tables = FederationTables(
        name=LASTFM_15K,
        item=ItemTables(events=check_events(events)),
        partners=(
            PartnerTable(name="telecom", features=wide_features(_attribute(rows, "country"))),
            PartnerTable(
                name="identity",
                features=wide_features(_attribute(rows, "sex")),
                sensitive=("sex",),
            ),
        ),
    )
    return LoadedData(tables=tables)


def _friendships(friends: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"user_id": friends["userID"], "feature": "friend=" + friends["friendID"]})


def _tag_counts(tagged: pd.DataFrame, by_month: bool) -> pd.DataFrame:
    feature = "tag=" + tagged["tagID"]
    if by_month:
        feature = feature + "@" + tagged["year"] + "-" + tagged["month"].str.zfill(2)
    rows = pd.DataFrame({"user_id": tagged["userID"], "feature": feature})
    return rows.value_counts(sort=False).rename("value").reset_index()


def _tags(tagged: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "user_id": tagged["userID"],
            "item_id": tagged["artistID"],
            "tag": "tag=" + tagged["tagID"],  # never equal to an item_id, which is a number
        }
    ).drop_duplicates(ignore_index=True)


def _tag_names(path: Path) -> Mapping[str, str]:
    """What tags are called; only people read it, so it may be missing."""
    if not path.is_file():
        return {}
    names = _read_text(path, ["tagID", "tagValue"], separator="\t", encoding="latin-1")
    return dict(zip("tag=" + names["tagID"], names["tagValue"], strict=True))


def _attribute(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    return rows[["user_id", column]].drop_duplicates(ignore_index=True)


def _read_dat(path: Path, columns: list[str]) -> pd.DataFrame:
    return _read_text(path, columns, separator="\t")


def _read_text(
    path: Path, columns: list[str], *, separator: str, encoding: str = "utf-8"
) -> pd.DataFrame:
    """Read a published file as text; only lastfm-15k's CSV may quote its fields."""
    if not path.is_file():
        raise DataSetMissingError(f"{path} does not exist; {how_to_get(path.parent.name)}")
    try:
        table = pd.read_csv(
            path,
            sep=separator,
            dtype="str",
            keep_default_na=False,
            quoting=csv.QUOTE_MINIMAL if separator == "," else csv.QUOTE_NONE,
            encoding=encoding,
        )
    except (ValueError, pd.errors.ParserError) as error:
        raise DataSetDamagedError(f"{path} cannot be read ({error}); fetch it again") from error
    whole = isinstance(table.index, pd.RangeIndex) and not table.isna().to_numpy().any()
    if list(table.columns) != columns or not whole:  # pandas hides ragged rows in these two ways
        raise DataSetDamagedError(
            f"{path} does not have {columns} in its header and every row; fetch it again"
        )
    return table


def how_to_get(name: str) -> str:
    """How to put a public data set where `load` finds it."""
    return (
        f"run `fedrecall data fetch {name}`, or set FEDRECALL_DATA to the folder "
        f"that holds {name}/"
    )
