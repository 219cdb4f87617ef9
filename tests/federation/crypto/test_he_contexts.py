import numpy as np
import pytest
import tenseal

from federation.crypto import he
from federation.crypto.cipher import Scheme
from federation.crypto.ciphertext_shape import read_fields
from federation.errors import MalformedError
from tests.federation.crypto.summing import make_parties, some_values

BFV = he.BfvParameters(degree=4096, modulus_bits=(48, 54), plain_modulus=1032193)
CKKS = he.CkksParameters(degree=4096, modulus_bits=(40, 60), scale_bits=32)
SCHEMES = pytest.mark.parametrize("parameters", [BFV, CKKS], ids=["bfv", "ckks"])
Numbers = np.ndarray


def numbers_for(parameters: he.Parameters) -> Numbers:
    if isinstance(parameters, he.BfvParameters):
        return np.arange(-2048, 2048)
    return np.linspace(-1, 1, 2048)


def opened(key: he.KeyContext, ciphertext: bytes) -> Numbers:
    if isinstance(key.parameters, he.BfvParameters):
        return key.decrypt_integers(ciphertext)
    return key.decrypt_reals(ciphertext)


@SCHEMES
def test_what_is_encrypted_and_added_is_decrypted(parameters: he.Parameters) -> None:
    key = he.KeyContext.generate(parameters)
    context = he.PublicContext.load(key.public_bytes(), parameters=parameters)
    numbers = numbers_for(parameters)

    total = context.add([context.encrypt(numbers), context.encrypt(numbers)])

    assert numbers.size == parameters.slots
    assert np.abs(opened(key, total) - 2 * numbers).max() < 1e-4


@SCHEMES
def test_public_bytes_hold_no_secret(parameters: he.Parameters) -> None:
    public = he.KeyContext.generate(parameters).public_bytes()
    loaded = tenseal.context_from(public, n_threads=1)

    assert [number for number, _ in read_fields(public)] == [1, 2]
    assert loaded.has_public_key()
    assert not loaded.has_secret_key()
    assert not loaded.has_galois_keys()
    assert not loaded.has_relin_keys()


@pytest.mark.parametrize("scheme", [Scheme.BFV, Scheme.CKKS])
def test_no_byte_that_leaves_a_party_holds_the_secret_key(scheme: Scheme) -> None:
    parties = make_parties(scheme)
    assert parties.key_pair.secret is not None
    # The serialised secret, taken past every door: what a leak would look like.
    leak = parties.key_pair.secret._context.serialize(
        save_public_key=False, save_secret_key=True, save_galois_keys=False, save_relin_keys=False
    )
    sent = parties.contributions(some_values(2, (4, 4), seed=0))
    total = parties.adder.add(sent, shape=(4, 4))
    secret = dict(read_fields(leak))[3]
    assert isinstance(secret, bytes)
    pieces = [secret[i : i + 64] for i in range(200, len(secret) - 64, 5000)]

    for outgoing in (parties.key_pair.public, *sent[0], *sent[1], *total):
        assert not any(piece in outgoing for piece in pieces)
    assert any(piece in leak for piece in pieces)  # the search finds what is there


@SCHEMES
def test_parameter_bytes_are_the_same_every_time_and_hold_no_key(
    parameters: he.Parameters,
) -> None:
    first = he.parameter_bytes(parameters)
    he.parameter_bytes.cache_clear()

    assert he.parameter_bytes(parameters) == first
    assert len(first) < 100


@SCHEMES
def test_bytes_tenseal_cannot_read_end_in_a_typed_error(parameters: he.Parameters) -> None:
    key = he.KeyContext.generate(parameters)
    public = key.public_bytes()
    context = he.PublicContext.load(public, parameters=parameters)
    honest = context.encrypt(numbers_for(parameters))

    for wrong in (b"", b"\xff" * 100, honest[: len(honest) // 2]):
        with pytest.raises(MalformedError):
            context.add([honest, wrong])
        with pytest.raises(MalformedError):
            opened(key, wrong)
    with pytest.raises(MalformedError, match="public context"):
        he.PublicContext.load(public[: len(public) // 2], parameters=parameters)


def test_ciphertexts_of_different_scales_cannot_be_added() -> None:
    public = he.KeyContext.generate(CKKS).public_bytes()
    context = he.PublicContext.load(public, parameters=CKKS)
    other = he.CkksParameters(degree=4096, modulus_bits=(40, 60), scale_bits=20)
    foreign = he.PublicContext.load(public, parameters=other)
    numbers = numbers_for(CKKS)

    with pytest.raises(MalformedError, match="cannot be added"):
        context.add([context.encrypt(numbers), foreign.encrypt(numbers)])


def test_a_context_is_printed_without_its_key() -> None:
    key = he.KeyContext.generate(BFV)
    shown = repr(key) + repr(he.PublicContext.load(key.public_bytes(), parameters=BFV))

    assert "ontext object" not in shown
    assert "plain_modulus=1032193" in shown
