"""What one training step under `strict` costs: the encrypted sum up, the batch gradient back.

All parties run one after the other in this process on one thread, so the CPU seconds are those
of everybody together. The networks themselves are not part of it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from statistics import median

import numpy as np

from federation.crypto.batch_gradient import GradientOpener, ProductMaker
from federation.crypto.bfv import BfvCipher
from federation.crypto.cipher import CipherConfig, Decryptor, Encryptor
from federation.crypto.gradient_config import GROUP_ROWS, Floats, GradientConfig
from federation.crypto.he_ntt import Integers
from federation.crypto.masks import KEY_BYTES, PairwiseMasks
from federation.errors import SettingError
from simulations.bench.progress import Progress, silent

_FORWARD = ("encrypt", "add", "decrypt")
_BACKWARD = ("seal", "prepare", "multiply", "sum_blocks", "unmask")
_CLIP = 1.0


class _Clock:
    """CPU milliseconds of this process by stage, one list a stage with one entry a step."""

    def __init__(self) -> None:
        self.steps: list[dict[str, float]] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.process_time()
        yield
        step = self.steps[-1]
        step[name] = step.get(name, 0.0) + (time.process_time() - began) * 1e3

    def medians(self) -> dict[str, float]:
        return {name: median(step[name] for step in self.steps) for name in self.steps[0]}

    def seconds(self, names: tuple[str, ...]) -> float:
        return median(sum(step[name] for name in names) for step in self.steps) / 1e3


class _Forward:
    """The encrypted sum of every partner's embeddings."""

    def __init__(self, shape: tuple[int, int], partners: int, rng: np.random.Generator) -> None:
        self._shape = shape
        cipher = BfvCipher(config=CipherConfig(parties=partners, clip=_CLIP))
        key_pair = cipher.key_pair()
        self._decryptor: Decryptor = cipher.decryptor(key_pair)
        self._adder = cipher.adder(key_pair.public)
        self._encryptors: list[Encryptor] = [
            cipher.encryptor(key_pair.public, masks) for masks in _pairwise_masks(partners, rng)
        ]
        self._values = [rng.uniform(-0.5, 0.5, shape).astype(np.float32) for _ in self._encryptors]
        self._grid = cipher.config.fixed_point

    def run(self, step: int, clock: _Clock) -> dict[str, int]:
        """One sum; returns bytes by message.

        Raises:
            ArithmeticError: the sum is not that of the clear fixed-point values.
        """
        with clock.stage("encrypt"):
            sent = [
                encryptor.encrypt(values, step=step)
                for encryptor, values in zip(self._encryptors, self._values, strict=True)
            ]
        with clock.stage("add"):
            total = self._adder.add(sent, shape=self._shape)
        with clock.stage("decrypt"):
            found = self._decryptor.decrypt(total, shape=self._shape)
        levels = sum(self._grid.encode(values).levels for values in self._values)
        wanted = self._grid.decode(np.asarray(levels), parties=len(self._values))
        _refuse_difference(found, wanted, "the forward sum")
        return {"embeddings_per_partner": _size(sent[0]), "sum_to_item_party": _size(total)}


class _Backward:
    """The batch gradient for every partner."""

    def __init__(self, config: GradientConfig, rows: int, partners: int) -> None:
        rng = np.random.default_rng(1)
        self._config = config
        self._groups = range(rows // GROUP_ROWS)
        self._opener = GradientOpener(config)
        shape = (len(self._groups), GROUP_ROWS, config.dim)
        self._gradients: Floats = rng.normal(0, 0.05, shape).astype(np.float32)
        self._phi = [
            rng.uniform(-1, 1, (rows, config.columns)).astype(np.float32) for _ in range(partners)
        ]
        self._makers = [ProductMaker(config, self._opener.public, phi) for phi in self._phi]

    def run(self, step: int, clock: _Clock) -> dict[str, int]:
        """One gradient for each partner; returns bytes by message.

        Raises:
            ArithmeticError: a gradient is not that of the clear fixed-point values.
        """
        with clock.stage("seal"):
            sealed = self._opener.seal(self._gradients)
        for maker, phi in zip(self._makers, self._phi, strict=True):
            with clock.stage("prepare"):
                maker.prepare(1)
            with clock.stage("multiply"):
                products = maker.multiply(step, self._groups, sealed)
            with clock.stage("sum_blocks"):
                sums = self._opener.sum_blocks(products)
            with clock.stage("unmask"):
                found = maker.unmask(step, sums)
            _refuse_difference(found, self._clear(phi), "a batch gradient")
        return {
            "sealed_gradients_per_partner": _size(sealed),
            "products_per_partner": _size(products),
            "sums_per_partner": sums.nbytes,
        }

    def _clear(self, phi: Floats) -> Floats:
        rows: Integers = self._config.fix_gradients(self._gradients).reshape(len(phi), -1)
        total = self._config.fix_phi(phi).astype(np.int64).T @ rows
        return (total * self._config.unit).astype(np.float32)


def run_step_bench(
    *,
    rows: int = 1024,
    dim: int = 64,
    columns: int = 32,
    partners: int = 2,
    repeats: int = 5,
    progress: Progress | None = None,
) -> dict[str, object]:
    """Run whole steps under `strict` and measure them; every result is checked to be exact.

    Args:
        rows: users in the batch, a multiple of 128.
        dim: width of an embedding and of its gradient.
        columns: width of every partner's features.
        partners: how many.
        repeats: steps measured, after one that fills the partners' caches.
        progress: told the name of each stage as it starts.

    Returns:
        What `json.dumps` takes. `stages_ms` are median CPU milliseconds of all partners
        together; `cpu_seconds` are medians over steps; `bytes` are those of one step.

    Raises:
        SettingError: `rows` is not a positive multiple of 128, another number is below 1, or the
            crypto cannot run those numbers.
        ArithmeticError: a result was not exact.
    """
    if rows < 1 or rows % GROUP_ROWS or min(columns, partners, repeats) < 1:
        raise SettingError(f"rows {rows} must be a multiple of {GROUP_ROWS}, the rest positive")
    say = progress or silent
    say("keys")
    config = GradientConfig(columns=columns, clip=_CLIP, dim=dim, max_rows=rows)
    forward = _Forward((rows, dim), partners, np.random.default_rng(0))
    backward = _Backward(config, rows, partners)
    clocks = (_Clock(), _Clock())  # the first step, then the measured ones
    for step in range(repeats + 1):
        clock = clocks[min(step, 1)]
        clock.steps.append({})
        say(f"step {step} of {repeats}" if step else "first step, which encodes the features")
        sizes = forward.run(step, clock) | backward.run(step, clock)
    return _report(clocks, sizes) | {
        "rows": rows,
        "dim": dim,
        "columns": columns,
        "partners": partners,
        "repeats": repeats,
    }


def _report(clocks: tuple[_Clock, _Clock], sizes: dict[str, int]) -> dict[str, object]:
    first, clock = clocks
    return {
        "bench": "step",
        "exact": True,
        "stages_ms": clock.medians(),
        "cpu_seconds": {
            "forward": clock.seconds(_FORWARD),
            "backward": clock.seconds(_BACKWARD),
            "total": clock.seconds(_FORWARD + _BACKWARD),
            "first_step": first.seconds(_FORWARD + _BACKWARD),
        },
        "bytes": sizes,
    }


def _pairwise_masks(partners: int, rng: np.random.Generator) -> list[PairwiseMasks]:
    names = [f"partner-{number:03}" for number in range(partners)]
    keys: dict[str, dict[str, bytes]] = {name: {} for name in names}
    for one, other in combinations(names, 2):
        keys[one][other] = keys[other][one] = rng.bytes(KEY_BYTES)
    return [PairwiseMasks(own=name, keys=keys[name]) for name in names]


def _refuse_difference(found: Floats, wanted: Floats, what: str) -> None:
    if not np.array_equal(found, wanted):
        raise ArithmeticError(f"{what} is not that of the clear fixed-point values")


def _size(parts: tuple[bytes, ...]) -> int:
    return sum(len(part) for part in parts)
