"""Every error of the recall package.

RecallError
├── ShapeError            arrays whose shapes, types or values do not fit together
├── GraphError            a knowledge graph cannot be built or walked as asked
├── NoTruthError          users without a single true item: nothing can be recalled
└── IndexFileError        a saved index cannot be used
    ├── CorruptIndexError     its bytes are not those its manifest promises
    └── ForeignIndexError     it was not written by this kind or version of index
"""


class RecallError(Exception):
    """Base of every error the recall package raises on purpose."""


class ShapeError(RecallError):
    """Arrays have shapes, types or values that do not fit together."""


class GraphError(RecallError):
    """A knowledge graph cannot be built or walked as asked; the message says what is wrong."""


class NoTruthError(RecallError):
    """Some users have no true item; leave them out with `has_truth` and say so."""


class IndexFileError(RecallError):
    """A saved index cannot be used; the message names the file."""


class CorruptIndexError(IndexFileError):
    """The bytes of a saved index are not those its manifest promises."""


class ForeignIndexError(IndexFileError):
    """A folder holds no index, or one of another kind or version."""
