"""What every sequence encoder promises, and what is each one's own."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from towers.errors import ConfigError, FeatureError
from towers.features import Floats
from towers.mind import MIND, interest_count
from towers.seeded_dropout import SeededDropout
from towers.sequence_config import (
    EncoderShape,
    MeanPoolingConfig,
    MINDConfig,
    SASRecConfig,
    SequenceTrainingConfig,
)
from towers.sequence_encoder import TrainingBatch
from towers.sequence_model import ENCODERS, SequenceModel, TrainedSequence

ITEMS, LENGTH = 30, 12
SHAPES: dict[str, EncoderShape] = {
    "sasrec": SASRecConfig(dim=8, max_length=LENGTH),
    "mind": MINDConfig(dim=8, max_length=LENGTH),
    "mean-pooling": MeanPoolingConfig(dim=8, max_length=LENGTH),
}


def made(name: str, *, seed: int = 0) -> SequenceModel:
    model = SequenceModel(SHAPES[name], ITEMS, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        for weight in model.parameters():  # as large as after training, so that nothing hides
            if weight.dim() > 1:
                weight.mul_(20)
    return model


def every_place(items: Tensor) -> TrainingBatch:
    """A batch that asks for the next item at every place."""
    rows, places = torch.ones_like(items).nonzero(as_tuple=True)
    lengths = torch.full((len(items),), items.shape[1])
    return TrainingBatch(items, lengths, rows, places, targets=torch.zeros_like(rows))


def foreseen(model: SequenceModel, items: Tensor, dropout: float = 0.0) -> Tensor:
    batch = every_place(items)
    generator = torch.Generator().manual_seed(1)
    if isinstance(model.shape, MINDConfig):
        # The same routing logits each time; `foresee` draws one set a target.
        model.encoder._generator = torch.Generator().manual_seed(2)  # type: ignore[attr-defined]
    return model.encoder.foresee(batch, model.table(items), SeededDropout(dropout, generator))


def test_every_kind_of_encoder_is_in_the_contract() -> None:
    assert {type(shape) for shape in SHAPES.values()} == set(ENCODERS)


@pytest.mark.parametrize("name", SHAPES)
def test_a_later_item_never_changes_what_was_foreseen_before(name: str) -> None:
    model = made(name)
    items = torch.from_numpy(np.random.default_rng(0).integers(ITEMS, size=(3, LENGTH)))
    changed = items.clone()
    changed[:, 7:] = (changed[:, 7:] + 5) % ITEMS
    before, after = (
        foreseen(model, each).detach().view(3, LENGTH, -1) for each in (items, changed)
    )
    torch.testing.assert_close(before[:, :7], after[:, :7])
    assert not torch.allclose(before[:, 7:], after[:, 7:])


@pytest.mark.parametrize("name", SHAPES)
@given(st.lists(st.integers(0, ITEMS - 1), min_size=1, max_size=LENGTH), st.integers(0, 99))
@settings(deadline=None, max_examples=25)
def test_what_is_encoded_beside_a_history_never_changes_it(
    name: str, history: list[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    trained = TrainedSequence(made(name))
    own = np.array(history, dtype=np.int64)
    others = [rng.integers(ITEMS, size=rng.integers(0, 2 * LENGTH)) for _ in range(4)]
    together = trained.encode_all([*others[:2], own, *others[2:]])
    np.testing.assert_allclose(together[2], trained.encode(own), rtol=1e-4, atol=1e-5)
    assert [len(vectors) > 0 for vectors in together] == [
        len(each) > 0 for each in (*others[:2], own, *others[2:])
    ]


@pytest.mark.parametrize("name", SHAPES)
def test_padding_is_never_looked_at(name: str) -> None:
    model = made(name)
    rng = np.random.default_rng(0)
    items = torch.from_numpy(rng.integers(ITEMS, size=(2, LENGTH)))
    lengths = torch.tensor([4, 9])
    padded = items.clone()
    padded[0, 4:], padded[1, 9:] = 1, 2
    for one, other in zip(
        model.encoder.interests(model.table(items), lengths),
        model.encoder.interests(model.table(padded), lengths),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", SHAPES)
def test_gradient_reaches_every_weight(name: str) -> None:
    model = made(name)
    items = torch.from_numpy(np.random.default_rng(0).integers(ITEMS, size=(8, LENGTH)))
    batch = every_place(items)
    drop = SeededDropout(0.0, torch.Generator())
    queries = model.encoder.foresee(batch, model.table(items), drop)
    torch.autograd.backward((queries * torch.randn(queries.shape)).sum())
    for weight_name, weight in model.named_parameters():
        assert weight.grad is not None, weight_name
        assert weight.grad.abs().sum() > 0, weight_name


@pytest.mark.parametrize("name", SHAPES)
def test_only_the_latest_items_count(name: str) -> None:
    trained = TrainedSequence(made(name))
    history = np.random.default_rng(0).integers(ITEMS, size=3 * LENGTH)
    np.testing.assert_array_equal(trained.encode(history), trained.encode(history[-LENGTH:]))


@pytest.mark.parametrize("name", SHAPES)
def test_no_history_has_no_interest(name: str) -> None:
    trained = TrainedSequence(made(name))
    assert trained.encode(np.empty(0, dtype=np.int64)).shape == (0, trained.dim)
    assert trained.encode_all([]) == []


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("item", [-1, ITEMS])
def test_items_outside_the_catalogue_are_refused(name: str, item: int) -> None:
    with pytest.raises(FeatureError, match="outside"):
        TrainedSequence(made(name)).encode(np.array([3, item], dtype=np.int64))


@pytest.mark.parametrize("name", SHAPES)
def test_vectors_are_float32_and_fit_the_items(name: str) -> None:
    trained = TrainedSequence(made(name))
    vectors, interests = trained.item_vectors(), trained.encode(np.arange(9))
    assert (vectors.dtype, interests.dtype) == (np.float32, np.float32)
    assert vectors.shape == (ITEMS, 8)
    assert interests.shape[1] == trained.dim == 8


def test_mean_pooling_forgets_the_order_and_attention_does_not() -> None:
    history = np.arange(LENGTH)
    pooled, attended = (TrainedSequence(made(name)) for name in ("mean-pooling", "sasrec"))
    np.testing.assert_allclose(
        pooled.encode(history), pooled.encode(history[::-1].copy()), atol=1e-4
    )
    assert not np.allclose(
        attended.encode(history), attended.encode(history[::-1].copy()), atol=1e-2
    )


@pytest.mark.parametrize(
    ("length", "count"), [(1, 1), (2, 1), (3, 1), (4, 2), (7, 2), (8, 3), (16, 4), (500, 4)]
)
def test_longer_histories_have_more_interests(length: int, count: int) -> None:
    assert interest_count(torch.tensor([length]), 4).item() == count


@given(st.integers(1, LENGTH))
@settings(deadline=None, max_examples=12)
def test_a_user_has_as_many_interests_as_the_history_allows(length: int) -> None:
    trained = TrainedSequence(made("mind"))
    wanted = interest_count(torch.tensor([length]), 4).item()
    assert len(trained.encode(np.arange(length))) == wanted


def test_without_dynamic_interests_everybody_has_all() -> None:
    shape = MINDConfig(dim=8, max_length=LENGTH, dynamic=False)
    model = SequenceModel(shape, ITEMS, generator=torch.Generator().manual_seed(0))
    assert len(TrainedSequence(model).encode(np.array([1]))) == 4


def test_routing_starts_anew_at_each_training_pass_and_alike_when_serving() -> None:
    model = made("mind")
    items = torch.from_numpy(np.random.default_rng(0).integers(ITEMS, size=(2, LENGTH)))
    batch, drop = every_place(items), SeededDropout(0.0, torch.Generator())
    first, second = (model.encoder.foresee(batch, model.table(items), drop) for _ in range(2))
    assert not torch.allclose(first, second)
    served = [TrainedSequence(model).encode(np.arange(9)) for _ in range(2)]
    np.testing.assert_array_equal(*served)


def test_routing_equals_the_slow_formula() -> None:
    model = made("mind")
    history = np.array([4, 9, 1, 1, 7, 20, 3, 2], dtype=np.int64)
    encoder: Any = model.encoder
    mapped = (model.table(torch.from_numpy(history)) @ encoder.bilinear.weight.T).detach().numpy()
    logits = encoder._serving[: len(history), :3].numpy().copy()  # log2(8) interests
    for routed in range(5):
        shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        if routed == 4:
            break
        summed = [sum(unit(row) * w for row, w in zip(mapped, s, strict=True)) for s in shares.T]
        logits = np.array([[5 * unit(row) @ unit(s) for s in summed] for row in mapped])
    own = [sum(row * w for row, w in zip(mapped, s, strict=True)) / s.sum() for s in shares.T]
    capsules = torch.tensor(np.array([(each + mapped.mean(axis=0)) / 2 for each in own]))
    wanted = encoder._layers(capsules, SeededDropout(0.0, torch.Generator()))
    found = TrainedSequence(model).encode(history)
    np.testing.assert_allclose(found, wanted.detach().numpy(), rtol=1e-3, atol=1e-4)


def unit(vector: Floats) -> Floats:
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("own_share", [1.0, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_items_of_two_tastes_are_routed_to_capsules_of_their_own(
    own_share: float, seed: int
) -> None:
    shape = MINDConfig(dim=8, interests=2, own_share=own_share, rounds=20)
    encoder = MIND(shape, torch.Generator().manual_seed(0))
    items = torch.eye(8)[[0, 1] * 4][None]
    logits = torch.randn(1, 8, 2, generator=torch.Generator().manual_seed(seed))
    capsules = encoder._route(items, torch.tensor([8]), logits)[0, :, :2]
    # What is not a capsule's own is the whole history, which is half of either taste.
    near, far = own_share + (1 - own_share) / 2, (1 - own_share) / 2
    first, second = capsules.sort(dim=0, descending=True).values
    np.testing.assert_allclose(first, [near, near], atol=0.02)
    np.testing.assert_allclose(second, [far, far], atol=0.02)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (SASRecConfig, {"dim": 0}),
        (SASRecConfig, {"heads": 3}),
        (SASRecConfig, {"blocks": 0}),
        (SASRecConfig, {"max_length": 0}),
        (SASRecConfig, {"dropout": 1}),
        (MINDConfig, {"interests": 0}),
        (MINDConfig, {"rounds": 0}),
        (MINDConfig, {"logit_std": 0}),
        (MINDConfig, {"sharpness": 0}),
        (MINDConfig, {"sharpness": float("nan")}),
        (MINDConfig, {"own_share": 0}),
        (MINDConfig, {"own_share": 1.1}),
        (MINDConfig, {"targets_per_history": 0}),
        (MINDConfig, {"averaged_epochs": -1}),
        (MINDConfig, {"averaged_epochs": float("nan")}),
        (SASRecConfig, {"averaged_epochs": float("inf")}),
        (MeanPoolingConfig, {"widening": 0}),
        (MeanPoolingConfig, {"dropout": -0.1}),
        (SequenceTrainingConfig, {"epochs": 0}),
        (SequenceTrainingConfig, {"negatives": 0}),
        (SequenceTrainingConfig, {"learning_rate": 0}),
        (SequenceTrainingConfig, {"smoothing": -1}),
    ],
)
def test_settings_out_of_range_are_refused(
    kind: Callable[..., object], wrong: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError):
        kind(**wrong)
