"""A sequence model, and what it answers once it is trained."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from towers.errors import FeatureError
from towers.features import Floats
from towers.item_table import ItemTable
from towers.mean_pooling import MeanPooling
from towers.mind import MIND
from towers.sasrec import SASRec
from towers.sequence_config import EncoderShape, MeanPoolingConfig, MINDConfig, SASRecConfig
from towers.sequence_encoder import SequenceEncoder

Ids = npt.NDArray[np.int64]
_BLOCK_TOKENS: Final = 16_384  # places of histories that are encoded at a time

ENCODERS: Final[Mapping[type[EncoderShape], Callable[[Any, torch.Generator], Any]]] = (
    MappingProxyType({SASRecConfig: SASRec, MINDConfig: MIND, MeanPoolingConfig: MeanPooling})
)


class SequenceModel(nn.Module):
    """Item vectors and an encoder of histories over them.

    Args:
        shape: of the encoder; its type says which one.
        items: how many there are.
        side: (items, f) features of items, or None.
        generator: where first weights come from, and MIND's routing logits.
    """

    def __init__(
        self,
        shape: EncoderShape,
        items: int,
        *,
        side: Floats | None = None,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.table = ItemTable(items, shape.dim, side=side, generator=generator)
        self.encoder: SequenceEncoder = ENCODERS[type(shape)](shape, generator)


class TrainedSequence:
    """Query vectors of histories and item vectors for an index, from one trained model.

    The same history always gets the same vectors, whatever is encoded beside it (to rounding).
    """

    def __init__(self, model: SequenceModel) -> None:
        self._model, self._items = model, len(model.table.ids)

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return self._model.shape.dim

    @torch.no_grad()
    def item_vectors(self) -> Floats:
        """(items, dim); the score of an item is its inner product with a query vector."""
        vectors: Tensor = self._model.table(torch.arange(self._items))
        return np.asarray(vectors.numpy().copy(), dtype=np.float32)

    def encode(self, history: Ids) -> Floats:
        """The query vectors of one user.

        Args:
            history: (n,) item numbers, oldest first; may be empty.

        Returns:
            (interests, dim); no row without a history.

        Raises:
            FeatureError: an item is not in the catalogue.
        """
        return self.encode_all([history])[0]

    def encode_all(self, histories: Sequence[Ids]) -> list[Floats]:
        """`encode` for many users; those of one length are encoded together."""
        lengths = np.array([len(history) for history in histories], dtype=np.int64)
        lengths = np.minimum(lengths, self._model.shape.max_length)
        found = [np.empty((0, self.dim), np.float32)] * len(histories)
        order = np.argsort(lengths, kind="stable")
        order = order[lengths[order] > 0]
        rows = max(1, _BLOCK_TOKENS // self._model.shape.max_length)
        for start in range(0, len(order), rows):
            block = order[start : start + rows]
            recent = [histories[number][-lengths[number] :] for number in block]
            for number, vectors in zip(block, self._encode(recent), strict=True):
                found[number] = vectors
        return found

    @torch.no_grad()
    def _encode(self, histories: Sequence[Ids]) -> list[Floats]:
        lengths = np.array([len(history) for history in histories])
        items = np.zeros((len(histories), lengths.max()), dtype=np.int64)
        items[np.arange(items.shape[1]) < lengths[:, None]] = np.concatenate(histories)
        if items.min() < 0 or items.max() >= self._items:
            raise FeatureError(f"a history holds an item outside 0 … {self._items - 1}")
        embedded = self._model.table(torch.from_numpy(items))
        vectors, counts = self._model.encoder.interests(embedded, torch.from_numpy(lengths))
        pairs = zip(vectors.numpy(), counts.tolist(), strict=True)
        return [np.asarray(rows[:count], dtype=np.float32) for rows, count in pairs]
