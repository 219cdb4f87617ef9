"""The backward of `strict`: a partner gets phi^T G summed over the batch, nothing finer.

    GradientOpener   item party: seals the rows of G once for all partners, opens masked products
    ProductMaker     partner: multiplies by its phi, floods and masks, and unmasks the sums

1. `seal`: rows clipped, in fixed point, encrypted under the item party's own key, a group of
   users at a time.
2. `multiply`: for each column of phi, the sum over groups of ciphertext times column, plus a
   flood and a uniform mask (see `gradient_pads`).
3. `sum_blocks`: decrypts one-time-padded values and sums them over the users of a ciphertext. A
   single user's slots cover one row a group only and never go back.
4. `unmask`: subtracts the same sum of the masks.
"""

from collections.abc import Sequence

import numpy as np

from federation.crypto.gradient_columns import ColumnCache
from federation.crypto.gradient_config import GROUP_ROWS, Floats, GradientConfig
from federation.crypto.gradient_pads import Pad, PadSource
from federation.crypto.gradient_wire import Kind, fingerprint, fingerprint_of, unwrap, wrap
from federation.crypto.he_ntt import PLAIN_MODULUS, Cipher, Integers, PublicRing, SecretRing
from federation.errors import (
    ForeignKeyError,
    MalformedError,
    MaskReuseError,
    OutOfTurnError,
    SettingError,
)

__all__ = ["GROUP_ROWS", "GradientConfig", "GradientOpener", "ProductMaker"]


class GradientOpener:
    """The item party: its key pair lives and dies with this object."""

    def __init__(self, config: GradientConfig) -> None:
        self._config = config
        self._ring = SecretRing()
        self._under = fingerprint(self._ring.public, settings=config.settings_bytes())

    @property
    def public(self) -> bytes:
        """The public key and its fingerprint, for every partner."""
        return wrap(Kind.PUBLIC_KEY, [self._ring.public], under=self._under)

    def seal(self, gradients: Floats) -> tuple[bytes, ...]:
        """Clip and encrypt a batch, once for all partners.

        Args:
            gradients: (groups, GROUP_ROWS, dim), zero where a group has no user, in gradient
                units.

        Returns:
            One sealed group each, in the same order.

        Raises:
            SmallBatchError: too few users against the width, and no noise.
            SettingError: another shape, too many users, or a value that is not finite.
        """
        fixed = self._config.fix_gradients(gradients)
        self._config.refuse_batch(len(fixed) * GROUP_ROWS)
        return tuple(self._seal_group(rows) for rows in fixed)

    def _seal_group(self, rows: Integers) -> bytes:
        parts = np.split(rows, self._config.ciphers_per_group)
        sealed = [self._ring.encrypt(self._config.spread(part)) for part in parts]
        return wrap(Kind.SEALED_GROUP, sealed, under=self._under)

    def sum_blocks(
        self,
        products: tuple[bytes, ...],
        *,
        noise: Integers | None = None,
        columns: int | None = None,
    ) -> Integers:
        """Decrypt one partner's masked products and sum each over the users of a ciphertext.

        Args:
            products: one for each of the partner's columns.
            noise: (columns, dim) integers added once, in units of `GradientConfig.unit`; account
                for it in the ledger, this does not.
            columns: the partner's width, where it is not the configured one.

        Returns:
            (columns, dim) masked sums in [0, PLAIN_MODULUS).

        Raises:
            MalformedError: another count, or a product that is none.
            TooLargeError: a product is longer than one can be.
            ForeignKeyError: a product is under another key or other settings.
            SettingError: noise is promised by the configuration and missing, or cannot be added.
        """
        expected = self._config.columns if columns is None else columns
        if len(products) != expected:
            raise MalformedError(f"{len(products)} products for {expected} columns")
        added = self._checked_noise(noise, expected)
        streams = [
            unwrap(product, Kind.PRODUCT, count=1, under=self._under)[0] for product in products
        ]
        sums = [self._config.sum_users(self._ring.decrypt(stream)) for stream in streams]
        return (np.stack(sums) + added) % PLAIN_MODULUS

    def _checked_noise(self, noise: Integers | None, columns: int) -> Integers:
        shape = (columns, self._config.dim)
        if noise is None:
            if self._config.noised:
                raise SettingError("noised=True promises noise in every sum, but none was given")
            return np.zeros(shape, dtype=np.int64)
        if noise.shape != shape:
            raise SettingError(f"noise has shape {noise.shape}, not {shape}")
        if int(np.abs(noise).max()) > PLAIN_MODULUS // 2 - self._config.largest_sum:
            raise SettingError("noise could carry a sum beyond the modulus; lower max_rows")
        return noise


class ProductMaker:
    """A partner: its phi and its masks never leave this object.

    Args:
        config: the same as the item party's, but for `columns`, `phi_bits` and `cache_bytes`.
        public: the item party's `GradientOpener.public`.
        phi: (slots, columns), values in [-1, 1]; zero rows for slots this partner does not know.

    Raises:
        MalformedError: `public` is not a public key.
        TooLargeError: `public` is longer than one can be.
        ForeignKeyError: `public` was made with other settings.
        SettingError: `phi` cannot be encoded.
    """

    def __init__(self, config: GradientConfig, public: bytes, phi: Floats) -> None:
        (key,) = unwrap(public, Kind.PUBLIC_KEY, count=1, under=None)
        self._under = fingerprint(key, settings=config.settings_bytes())
        if fingerprint_of(public) != self._under:
            raise ForeignKeyError(
                "the item party's key was made with another dim, clip or gradient_bits, or damaged"
            )
        self._config = config
        self._ring = PublicRing(key)
        self._columns = ColumnCache(config, self._ring, phi)
        self._pads = PadSource(config, self._ring)
        self._masks: dict[int, Integers] = {}
        self._answered = -1

    def prepare(self, steps: int) -> None:
        """Make the floods and masks of some steps ahead of time (13 MiB a step of 32 columns)."""
        self._pads.prepare(steps * self._config.columns)

    def multiply(
        self,
        step: int,
        groups: Sequence[int],
        sealed: tuple[bytes, ...],
        *,
        skip: frozenset[int] = frozenset(),
    ) -> tuple[bytes, ...]:
        """Multiply a sealed batch by phi, flooded and masked.

        Args:
            step: number of the step; each is answered once, in rising order.
            groups: the batch's groups, distinct, in the order of `sealed`.
            sealed: what `GradientOpener.seal` gave.
            skip: groups whose rows this partner leaves out, as if it did not know their users.

        Returns:
            One product for each column.

        Raises:
            MaskReuseError: the step was answered, or a later one; two answers for one step would
                show the difference between two batches.
            SmallBatchError: too few users against the width, and no noise.
            SettingError: a group is unknown or named twice, or too many users.
            MalformedError: another count, or a sealed group that is none.
            TooLargeError: a sealed group is longer than one can be.
            ForeignKeyError: a sealed group is under another key or other settings.
        """
        if step <= self._answered:
            raise MaskReuseError(f"step {step} was answered or passed; it is not answered again")
        self._refuse_groups(groups, skip)
        if len(sealed) != len(groups):
            raise MalformedError(f"{len(sealed)} sealed groups for {len(groups)} groups")
        batch = self._open(groups, sealed, skip)
        pads = [self._pads.take() for _ in range(self._config.columns)]
        products = tuple(self._product(batch, column, pad) for column, pad in enumerate(pads))
        self._masks[step] = np.stack([pad.sums for pad in pads])
        self._answered = step
        return products

    def unmask(self, step: int, sums: Integers) -> Floats:
        """Turn the item party's masked sums into phi^T G.

        Args:
            step: the oldest step that was multiplied and not unmasked.
            sums: (columns, dim) in [0, PLAIN_MODULUS), from `GradientOpener.sum_blocks`.

        Returns:
            (columns, dim), in gradient units. The step's masks are forgotten.

        Raises:
            OutOfTurnError: another step is due, or none.
            MalformedError: another shape or range, or sums no batch can reach.
        """
        due = next(iter(self._masks), None)
        if step != due:
            raise OutOfTurnError(f"sums for step {step}, but the step due is {due}")
        shape = (self._config.columns, self._config.dim)
        if sums.shape != shape or sums.dtype != np.int64:
            raise MalformedError(f"sums are {sums.dtype} {sums.shape}, not int64 {shape}")
        if int(sums.min()) < 0 or int(sums.max()) >= PLAIN_MODULUS:
            raise MalformedError("sums lie outside the plain modulus")
        clear = (sums - self._masks[step]) % PLAIN_MODULUS
        clear = np.where(clear > PLAIN_MODULUS // 2, clear - PLAIN_MODULUS, clear)
        if not self._config.noised and int(np.abs(clear).max()) > self._config.largest_sum:
            raise MalformedError("sums beyond what a batch can reach: they are of another step")
        del self._masks[step]
        return (clear * self._config.unit).astype(np.float32)

    def _refuse_groups(self, groups: Sequence[int], skip: frozenset[int]) -> None:
        if len(set(groups)) != len(groups):
            raise SettingError("a group is named twice in one batch")
        if any(not 0 <= group < self._columns.groups for group in groups):
            raise SettingError(f"a group is not one of the {self._columns.groups} there are")
        # Users left out hide nobody, so they do not count.
        self._config.refuse_batch(sum(self._columns.users(g) for g in groups if g not in skip))

    def _open(
        self, groups: Sequence[int], sealed: tuple[bytes, ...], skip: frozenset[int]
    ) -> list[tuple[int, int, Cipher]]:
        """The batch's ciphertexts with their group and part, without those to skip."""
        count = self._config.ciphers_per_group
        parts = [
            unwrap(item, Kind.SEALED_GROUP, count=count, under=self._under) for item in sealed
        ]
        return [
            (group, number, self._ring.open(stream))
            for group, streams in zip(groups, parts, strict=True)
            if group not in skip
            for number, stream in enumerate(streams)
        ]

    def _product(self, batch: list[tuple[int, int, Cipher]], column: int, pad: Pad) -> bytes:
        for group, part, cipher in batch:
            factor = self._columns.factor(group, part, column=column)
            if factor:
                self._ring.add_product(pad.flood, cipher, factor=factor)
        stream = self._ring.finish(pad.flood, mask=pad.mask)
        return wrap(Kind.PRODUCT, [stream], under=self._under)
