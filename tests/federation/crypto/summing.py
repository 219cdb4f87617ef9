"""The parties of one encrypted sum, with keys made once for the whole test run."""

import hashlib
from dataclasses import dataclass, field
from functools import cache
from itertools import count

import numpy as np
import numpy.typing as npt

from federation.crypto.cipher import (
    Adder,
    Cipher,
    CipherConfig,
    Decryptor,
    Encryptor,
    KeyPair,
    Payloads,
    Scheme,
)
from federation.crypto.masks import PairwiseMasks
from federation.crypto.schemes import make_cipher

STEPS = count()  # a step is never masked twice, and the parties live as long as the run


@dataclass(frozen=True)
class Parties:
    cipher: Cipher
    key_pair: KeyPair = field(repr=False)
    encryptors: tuple[Encryptor, ...]
    adder: Adder
    decryptor: Decryptor

    def contributions(self, values: list[npt.NDArray[np.float32]]) -> list[Payloads]:
        step = next(STEPS)
        return [
            encryptor.encrypt(own, step=step)
            for encryptor, own in zip(self.encryptors, values, strict=True)
        ]

    def total(self, values: list[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
        rows, columns = values[0].shape
        total = self.adder.add(self.contributions(values), shape=(rows, columns))
        return self.decryptor.decrypt(total, shape=(rows, columns))


def masks_of(own: int, parties: int) -> PairwiseMasks:
    return PairwiseMasks(
        own=f"partner-{own}",
        keys={
            f"partner-{peer}": hashlib.sha256(repr(sorted((own, peer))).encode()).digest()
            for peer in range(parties)
            if peer != own
        },
    )


@cache
def make_parties(
    scheme: Scheme, *, parties: int = 2, bits: int = 16, clip: float = 2.0
) -> Parties:
    cipher = make_cipher(scheme, CipherConfig(parties=parties, clip=clip, bits=bits))
    key_pair = cipher.key_pair()
    masked = scheme is Scheme.BFV
    return Parties(
        cipher=cipher,
        key_pair=key_pair,
        encryptors=tuple(
            cipher.encryptor(key_pair.public, masks_of(own, parties) if masked else None)
            for own in range(parties)
        ),
        adder=cipher.adder(key_pair.public),
        decryptor=cipher.decryptor(key_pair),
    )


def some_values(
    parties: int, shape: tuple[int, int], *, seed: int
) -> list[npt.NDArray[np.float32]]:
    """Normal values, some of them beyond a clip of 2."""
    rng = np.random.default_rng(seed)
    return [rng.normal(0, 1, shape).astype(np.float32) for _ in range(parties)]
