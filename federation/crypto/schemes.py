"""From the name of a scheme to its cipher."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from federation.crypto.bfv import BfvCipher
from federation.crypto.cipher import Cipher, CipherConfig, Scheme
from federation.crypto.ckks import CkksCipher
from federation.crypto.clear import ClearCipher

CIPHERS: Final[Mapping[Scheme, Callable[..., Cipher]]] = MappingProxyType(
    {Scheme.BFV: BfvCipher, Scheme.CKKS: CkksCipher, Scheme.CLEAR: ClearCipher}
)


def make_cipher(scheme: Scheme, config: CipherConfig) -> Cipher:
    """Make the cipher of a scheme.

    Raises:
        SettingError: the scheme cannot run that configuration.
        GuardBitsError: more partners than packed fields can add up.
    """
    return CIPHERS[scheme](config=config)
