"""What parsers of keys and certificates raise when they are given something else."""

from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

# Seen by changing bytes at random; every one of them means "damaged, or of another kind".
PARSING: Final = (
    ValueError,
    TypeError,  # a key that needs a password
    NotImplementedError,  # an OpenSSH key whose point is compressed
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
