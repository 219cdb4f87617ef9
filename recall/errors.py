"""Every error of the recall package.

RecallError
├── ShapeError            arrays whose shapes, types or values do not fit together
├── ConfigError           a setting of a channel or of fusion is out of range
├── GraphError            a knowledge graph cannot be built or walked as asked
├── NoTruthError          users without a single true item: nothing can be recalled
├── ItemNumberError       items that are in the index already, or not in it
├── ReadOnlyIndexError    an index that is mapped from a file cannot be changed
├── IndexAddressError     where an index should be cannot be understood
├── IndexServerError      an index that is elsewhere does not answer
├── ExtraMissingError     a package that an index needs is not installed
└── IndexFileError        a saved index cannot be used
    ├── CorruptIndexError     its bytes are not those its manifest promises
    └── ForeignIndexError     it was not written by this kind or version of index
"""


class RecallError(Exception):
    """Base of every error the recall package raises on purpose."""


class ShapeError(RecallError):
    """Arrays have shapes, types or values that do not fit together."""


class ConfigError(RecallError, ValueError):
    """A setting of a channel or of fusion is out of range; the message names it."""


class GraphError(RecallError):
    """A knowledge graph cannot be built or walked as asked; the message says what is wrong."""


class NoTruthError(RecallError):
    """Some users have no true item; leave them out with `has_truth` and say so."""


class ItemNumberError(RecallError):
    """Items are in the index already, or are not in it; nothing was changed."""


class ReadOnlyIndexError(RecallError):
    """An index that is mapped from a file cannot be changed; load it unmapped."""


class IndexAddressError(RecallError):
    """Where an index should be cannot be understood; the message says what fits."""


class IndexServerError(RecallError):
    """An index that is elsewhere does not answer, or refuses; the message quotes it."""


class ExtraMissingError(RecallError):
    """A package that an index needs is not installed; the message names the extra."""


class IndexFileError(RecallError):
    """A saved index cannot be used; the message names the file."""


class CorruptIndexError(IndexFileError):
    """The bytes of a saved index are not those its manifest promises."""


class ForeignIndexError(IndexFileError):
    """A folder holds no index, or one of another kind or version."""
