"""Fetching the public originals of the named data sets.

The data sets allow research use and no redistribution, so they are fetched from where their
makers put them. A fetched set is checked before it appears: against a checksum where one is known,
and always against the line counts its makers state.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from parties.tables.source import count_lines
from simulations.data.archive import unpack
from simulations.data.download import (
    Download,
    DownloadConfig,
    Progress,
    download,
    ignore_progress,
)
from simulations.data.lastfm import (
    LASTFM_2K,
    LASTFM_2K_LINES,
    LASTFM_15K,
    LASTFM_15K_LINES,
)
from simulations.errors import (
    ChecksumError,
    DataSetDamagedError,
    DataSetMissingError,
    FolderExistsError,
)

RECORD_NAME = "fetched.json"
MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """Where a data set is published, and how to recognise it.

    Attributes:
        name: the data set's name, and its folder's.
        url: a ZIP archive, or the data set's one file.
        lines: the wanted files, and the lines below the header of each.
        sha256: of what `url` gives; None where no published or agreed value is known.
        max_bytes: bound on the download, and on what it unpacks to.
    """

    name: str
    url: str
    lines: Mapping[str, int]
    sha256: str | None
    max_bytes: int


PUBLICATIONS: Mapping[str, Publication] = MappingProxyType(
    {
        LASTFM_2K: Publication(
            name=LASTFM_2K,
            url="https://files.grouplens.org/datasets/hetrec2011/hetrec2011-lastfm-2k.zip",
            lines=LASTFM_2K_LINES,
            # GroupLens publishes none; public projects unrelated to each other pin this value.
            sha256="6738f48195667ff03caaab4d32ca9a3133d8cc026b7c3cdaf6ce1010e913c59c",
            max_bytes=64 * MIB,
        ),
        LASTFM_15K: Publication(
            name=LASTFM_15K,
            # The page of the textbook that uses it; no checksum is known.
            url="https://www.biz.uiowa.edu/faculty/jledolter/DataMining/lastfm.csv",
            lines=LASTFM_15K_LINES,
            sha256=None,
            max_bytes=64 * MIB,
        ),
    }
)


def publication(name: str) -> Publication:
    """The publication of a data set; raises DataSetMissingError if it has none."""
    if name not in PUBLICATIONS:
        raise DataSetMissingError(
            f"{name!r} cannot be fetched; these can: {', '.join(PUBLICATIONS)}"
        )
    return PUBLICATIONS[name]


def fetch(
    source: Publication,
    root: Path,
    *,
    config: DownloadConfig | None = None,
    progress: Progress = ignore_progress,
) -> Path:
    """Download, check and unpack a data set; its folder appears whole or not at all.

    Args:
        source: what to fetch.
        root: the data root; the data set becomes `root / source.name`.
        config: patience of the download.
        progress: called with the bytes that are here and the bytes in all (None if unknown).

    Returns:
        The data set's folder.

    Raises:
        FolderExistsError: the folder is already there.
        FetchError: the download failed (a later call goes on from what arrived), the checksum is
            another, or the archive is unusable.
        DataSetDamagedError: a file has another number of lines than published.
    """
    _require_absent(root / source.name)
    parts = root / ".fetch"
    parts.mkdir(parents=True, exist_ok=True)
    part = parts / f"{source.name}{Path(source.url).suffix}.part"
    file = Download(url=source.url, part=part, max_bytes=source.max_bytes)
    download(file, config=config, progress=progress)
    try:
        folder = install(source, file.part, root)
    except (ChecksumError, DataSetDamagedError):
        file.forget()  # going on from wrong bytes would never end well
        raise
    file.forget()
    return folder


def install(source: Publication, file: Path, root: Path) -> Path:
    """Check and unpack a data set's file that is already on this machine.

    Args:
        source: what the file should be.
        file: the archive or the one file that `source.url` gives.
        root: the data root; the data set becomes `root / source.name`.

    Raises:
        DataSetMissingError: there is no such file.
        FolderExistsError, ChecksumError, ArchiveError, DataSetDamagedError: as `fetch`.
    """
    folder = root / source.name
    _require_absent(folder)
    if not file.is_file():
        raise DataSetMissingError(f"{file} does not exist; give the file of {source.url}")
    digest = _sha256(file)
    if source.sha256 is not None and digest != source.sha256:
        raise ChecksumError(
            f"{source.url}: SHA-256 is {digest} instead of {source.sha256}; nothing was kept"
        )
    root.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{source.name}.", dir=root))
    try:
        _fill(source, file, draft, digest=digest)
        draft.chmod(0o755)  # mkdtemp makes it private
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return folder


def _fill(source: Publication, file: Path, draft: Path, *, digest: str) -> None:
    if source.url.endswith(".zip"):
        unpack(file, draft, wanted=tuple(source.lines), max_bytes=source.max_bytes)
    else:
        (name,) = source.lines
        shutil.copyfile(file, draft / name)
    for name, expected in source.lines.items():
        found = count_lines(draft / name) - 1
        if found != expected:
            raise DataSetDamagedError(
                f"{name} of {source.name} has {found} lines below its header instead of "
                f"{expected}; {source.url} no longer gives the published data"
            )
    record = {"url": source.url, "sha256": digest, "bytes": file.stat().st_size}
    (draft / RECORD_NAME).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _require_absent(folder: Path) -> None:
    if folder.exists():
        raise FolderExistsError(f"{folder} is already there; remove it to fetch it again")


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
