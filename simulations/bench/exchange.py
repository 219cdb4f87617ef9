"""What the encrypted sum costs: BFV as the exchange uses it, CKKS as tutorials do, Paillier.

Every stage is timed in CPU milliseconds of this process, on one thread, each repeat running BFV
and CKKS one after the other, so that a busy machine slows both. A ratio is the median over the
repeats of one time over the other.
"""

import importlib
import importlib.util
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, count
from statistics import median
from types import ModuleType
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from federation.crypto import he
from federation.crypto.bfv import BfvCipher
from federation.crypto.cipher import CipherConfig, Payloads
from federation.crypto.masks import KEY_BYTES, PairwiseMasks
from simulations.bench.progress import Progress, silent

Report = dict[str, Any]
Floats = npt.NDArray[np.float32]

TUTORIAL: Final = he.CkksParameters(degree=8192, modulus_bits=(60, 40, 40, 60), scale_bits=40)
PAILLIER_BITS: Final = 2048
PAILLIER_VALUES: Final = 500  # the rest is extrapolated: 65,536 values would take ten minutes
STAGES: Final = ("encrypt_serialise", "add", "decrypt")
_CLIP: Final = 2.0


class _Scheme(Protocol):
    """Bytes to bytes, as each party sees it."""

    def encrypt(self, values: Floats, *, partner: int) -> Payloads: ...

    def add(self, contributions: Sequence[Payloads]) -> Payloads: ...

    def decrypt(self, total: Payloads) -> npt.NDArray[Any]: ...


class _Bfv:
    """The exchange's own cipher with fixed point, masks and every check of received bytes."""

    def __init__(self, shape: tuple[int, int], *, partners: int) -> None:
        self._shape = shape
        cipher = BfvCipher(config=CipherConfig(parties=partners, clip=_CLIP))
        key_pair = cipher.key_pair()
        self._encryptors = [
            cipher.encryptor(key_pair.public, masks) for masks in _pairwise_masks(partners)
        ]
        self._steps = [count() for _ in range(partners)]
        self._adder = cipher.adder(key_pair.public)
        self._decryptor = cipher.decryptor(key_pair)

    def encrypt(self, values: Floats, *, partner: int) -> Payloads:
        return self._encryptors[partner].encrypt(values, step=next(self._steps[partner]))

    def add(self, contributions: Sequence[Payloads]) -> Payloads:
        return self._adder.add(contributions, shape=self._shape)

    def decrypt(self, total: Payloads) -> npt.NDArray[Any]:
        return self._decryptor.decrypt(total, shape=self._shape)


class _TutorialCkks:
    """TenSEAL's CKKS vectors at the setting of its tutorials: no masks and no checks."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._shape = shape
        self._key = he.KeyContext.generate(TUTORIAL)
        self._public = he.PublicContext.load(self._key.public_bytes(), parameters=TUTORIAL)

    def encrypt(self, values: Floats, *, partner: int) -> Payloads:
        flat = values.astype(np.float64).reshape(-1)
        slots = TUTORIAL.slots
        parts = [flat[start : start + slots] for start in range(0, flat.size, slots)]
        return tuple(self._public.encrypt(part) for part in parts)

    def add(self, contributions: Sequence[Payloads]) -> Payloads:
        return tuple(self._public.add(parts) for parts in zip(*contributions, strict=True))

    def decrypt(self, total: Payloads) -> npt.NDArray[Any]:
        parts = [self._key.decrypt_reals(part) for part in total]
        return np.concatenate(parts).reshape(self._shape)


@dataclass(slots=True)
class _Measured:
    """Milliseconds by stage, one entry a repeat, and what came out of the last one."""

    milliseconds: dict[str, list[float]] = field(
        default_factory=lambda: {stage: [] for stage in STAGES}
    )
    bytes_per_value: float = 0.0
    largest_error: float = 0.0

    def report(self) -> Report:
        times = {f"{stage}_ms": round(median(v), 3) for stage, v in self.milliseconds.items()}
        return {
            **times,
            "bytes_per_value": round(self.bytes_per_value, 3),
            "largest_error": self.largest_error,
        }


def run_exchange_bench(
    *,
    partners: Sequence[int] = (2, 4),
    rows: int = 1024,
    dim: int = 64,
    repeats: int = 7,
    progress: Progress | None = None,
) -> Report:
    """Time the encrypted sum of rows x dim values for each number of partners.

    Args:
        partners: numbers of partners to add up.
        rows: users in a batch.
        dim: width of an embedding.
        repeats: how often each stage is timed; medians are reported.
        progress: told in a few words what runs next.

    Returns:
        What `json.dumps` takes: medians of each stage in CPU milliseconds (encryption of one
        partner), bytes a value of one partner, and ratios. Paillier's entry is None when `phe`
        is not installed.
    """
    tell = progress or silent
    values = _some_values(max(partners), (rows, dim))
    results = [
        _compare(values[:number], repeats=repeats, tell=tell) for number in sorted(set(partners))
    ]
    return {
        "bench": "exchange",
        "rows": rows,
        "dim": dim,
        "repeats": repeats,
        "unit": "CPU milliseconds of one thread; encryption is that of one partner",
        "results": results,
        "paillier": _paillier(rows * dim, results[0]["bfv"], tell=tell),
    }


def _compare(values: Sequence[Floats], *, repeats: int, tell: Progress) -> Report:
    rows, dim = values[0].shape
    tell(f"BFV and CKKS, {len(values)} partners")
    schemes: Mapping[str, _Scheme] = {
        "bfv": _Bfv((rows, dim), partners=len(values)),
        "ckks_tutorial": _TutorialCkks((rows, dim)),
    }
    measured = {name: _Measured() for name in schemes}
    for _ in range(repeats):
        for name, scheme in schemes.items():
            _measure(scheme, values, measured[name])
    ours, theirs = measured["bfv"], measured["ckks_tutorial"]
    ratios = {
        f"{stage}_bfv_over_ckks": _ratio(ours.milliseconds[stage], theirs.milliseconds[stage])
        for stage in STAGES
    }
    ratios["bytes_bfv_over_ckks"] = round(ours.bytes_per_value / theirs.bytes_per_value, 4)
    return {
        "partners": len(values),
        **{name: each.report() for name, each in measured.items()},
        "ratios": ratios,
    }


def _measure(scheme: _Scheme, values: Sequence[Floats], into: _Measured) -> None:
    """Time the three stages once; only the first partner's encryption counts."""
    began = time.process_time()
    first = scheme.encrypt(values[0], partner=0)
    encrypted = time.process_time()
    others = [scheme.encrypt(own, partner=i) for i, own in enumerate(values[1:], start=1)]
    ready = time.process_time()
    total = scheme.add([first, *others])
    added = time.process_time()
    result = scheme.decrypt(total)
    opened = time.process_time()
    spent = (encrypted - began, added - ready, opened - added)
    for stage, seconds in zip(STAGES, spent, strict=True):
        into.milliseconds[stage].append(seconds * 1e3)
    into.bytes_per_value = sum(map(len, first)) / values[0].size
    into.largest_error = float(np.abs(result - np.sum(values, axis=0, dtype=np.float64)).max())


def _paillier(values: int, bfv: Report, *, tell: Progress) -> Report | None:
    """Paillier for that many values, extrapolated; None without `phe`."""
    try:
        library = importlib.import_module("phe.paillier")
    except ImportError:
        return None
    sample = min(values, PAILLIER_VALUES)
    tell(f"Paillier-{PAILLIER_BITS}, {sample} values")
    times = {
        name: spent / sample * values for name, spent in _time_paillier(library, sample).items()
    }
    return {
        "key_bits": PAILLIER_BITS,
        "measured_values": sample,
        "extrapolated": f"times for {values} values, from {sample} measured ones",
        "accelerated_by_gmpy2": _importable("gmpy2"),
        **{f"{name}_ms": round(spent, 1) for name, spent in times.items()},
        "bytes_per_value": 2 * PAILLIER_BITS / 8,
        "ratios": {
            f"{stage}_paillier_over_bfv": round(times[stage] / bfv[f"{stage}_ms"], 1)
            for stage in ("encrypt_serialise", "decrypt")
        },
    }


def _time_paillier(library: ModuleType, sample: int) -> dict[str, float]:
    """Milliseconds for `sample` 16-bit values: encrypt, add two, decrypt."""
    public, private = library.generate_paillier_keypair(n_length=PAILLIER_BITS)
    numbers = np.random.default_rng(0).integers(0, 1 << 16, size=sample).tolist()
    began = time.process_time()
    encrypted = [public.encrypt(number) for number in numbers]
    for item in encrypted:
        item.ciphertext().to_bytes(2 * PAILLIER_BITS // 8, "big")
    ready = time.process_time()
    total = [item + item for item in encrypted]
    added = time.process_time()
    for item in total:
        private.decrypt(item)
    spent = (ready - began, added - ready, time.process_time() - added)
    return {stage: seconds * 1e3 for stage, seconds in zip(STAGES, spent, strict=True)}


def _importable(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return round(median(a / b for a, b in zip(ours, theirs, strict=True)), 4)


def _some_values(partners: int, shape: tuple[int, int]) -> list[Floats]:
    rng = np.random.default_rng(0)
    return [rng.uniform(-1, 1, shape).astype(np.float32) for _ in range(partners)]


def _pairwise_masks(partners: int) -> list[PairwiseMasks]:
    names = [f"partner-{number}" for number in range(partners)]
    keys: dict[str, dict[str, bytes]] = {name: {} for name in names}
    for one, other in combinations(names, 2):
        keys[one][other] = keys[other][one] = secrets.token_bytes(KEY_BYTES)
    return [PairwiseMasks(own=name, keys=keys[name]) for name in names]
