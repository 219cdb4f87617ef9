"""Which ciphers a run's configuration asks for."""

from federation.crypto.cipher import Cipher, CipherConfig, Scheme
from federation.crypto.gradient_config import GROUP_ROWS, GradientConfig
from federation.crypto.schemes import make_cipher
from federation.errors import SettingError
from federation.protocol.profile import Profile
from parties.config import RunConfig

__all__ = [
    "GROUP_ROWS",
    "check_ciphers",
    "forward_cipher",
    "gradient_config",
    "takes_masks",
    "wants_gradient_key",
]


def forward_cipher(config: RunConfig, partners: int) -> Cipher:
    """The cipher of the forward sums; only `plain` adds in the clear."""
    exchange = config.exchange
    scheme = exchange.scheme if config.profile.protected else Scheme.CLEAR
    if config.profile.protected and scheme is Scheme.CLEAR:
        raise SettingError(
            f"exchange.scheme = clear protects nothing; profile {config.profile.value} needs bfv "
            "or ckks"
        )
    return make_cipher(
        scheme,
        CipherConfig(
            parties=partners, clip=exchange.clip, bits=exchange.bits, rounding=exchange.rounding
        ),
    )


def check_ciphers(config: RunConfig, partners: int) -> None:
    """Refuse what no cipher can run, before anyone is greeted.

    Raises:
        GuardBitsError: more partners than the packed fields can add up.
        SettingError: a setting is out of a cipher's range.
    """
    forward_cipher(config, partners)
    if wants_gradient_key(config):
        gradient_config(config)


def takes_masks(cipher: Cipher) -> bool:
    """Whether pairwise masks can be added: they need exact arithmetic modulo a number."""
    return cipher.scheme is Scheme.BFV


def gradient_config(config: RunConfig) -> GradientConfig:
    """The settings of the backward products under `strict`.

    Raises:
        SettingError: they are out of range; names the run's settings they come from.
    """
    exchange = config.exchange
    try:
        return GradientConfig(
            dim=config.dim,
            columns=config.encoder.width,
            clip=exchange.gradient_clip,
            max_rows=max(4096, exchange.batch_groups * GROUP_ROWS),
            cache_bytes=exchange.cache_mib << 20,
        )
    except SettingError as error:
        raise SettingError(
            f"profile strict cannot be run: {error} (dim is trainer.model.embedding_dim, columns "
            f"is encoder.width, max_rows is {GROUP_ROWS} * exchange.batch_groups)"
        ) from error


def wants_gradient_key(config: RunConfig) -> bool:
    """Whether the run has an encrypted backward pass."""
    return config.profile is Profile.STRICT
