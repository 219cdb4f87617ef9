"""Every error of the federation package.

FederationError
├── PeerError                 what a peer sent cannot be accepted
│   ├── MalformedError        bytes that do not decode to a message
│   ├── TooLargeError         more bytes or items than the limits allow
│   ├── OutOfTurnError        a message the phase does not allow
│   ├── ReplayedError         a frame seen before, or out of order
│   ├── TamperedError         a frame or payload whose authentication fails
│   ├── UnknownPeerError      a name that is not on the roster
│   ├── InvalidPointError     a PSI point that is not a usable curve point
│   ├── ForeignKeyError       material made under another key or setting
│   ├── CertificateError      a TLS certificate or key that is not accepted
│   ├── VersionError          another version of the protocol
│   └── SecondProcessError    two processes under one name in one session
├── PeerLostError             a peer went silent or closed its link
│   └── SessionOverError      the session has ended, or was replaced by a newer one
├── SettingError              this party's own settings cannot be run
│   ├── SinglePartnerError    one partner: there is no sum to hide in
│   ├── GuardBitsError        more partners than the packed fields can add
│   └── SmallBatchError       a batch too small against its width, without noise
├── IdentifierError           this party's own identifiers are unusable
├── NoSharedUserError         the intersection is empty
├── MaskReuseError            the same step would be masked twice
└── EngineError               Flower's simulation engine does not start, or loses a party
"""


class FederationError(Exception):
    """Base of every error the federation package raises on purpose."""


class PeerError(FederationError):
    """A peer sent something that cannot be accepted; nothing was changed."""


class MalformedError(PeerError):
    """Bytes from a peer do not decode to a message."""


class TooLargeError(PeerError):
    """A peer sent more than the configured limits allow."""


class OutOfTurnError(PeerError):
    """A peer sent a message its phase does not allow."""


class ReplayedError(PeerError):
    """A frame was seen before, or overtook another one."""


class TamperedError(PeerError):
    """Authentication of a frame or payload failed."""


class UnknownPeerError(PeerError):
    """A frame names a party that is not on the roster."""


class InvalidPointError(PeerError):
    """A PSI point is non-canonical, off the curve, of small order or a duplicate."""


class ForeignKeyError(PeerError):
    """A ciphertext or key belongs to another key, scheme or setting."""


class CertificateError(PeerError):
    """A TLS certificate or key is not the expected one, or not valid now."""


class VersionError(PeerError):
    """A peer speaks another version of the protocol."""


class SecondProcessError(PeerError):
    """Another process of the same party has this session's place already."""


class PeerLostError(FederationError):
    """A peer went silent for longer than the timeout, or closed its link."""


class SessionOverError(PeerLostError):
    """The session has ended, or a newer one has taken its place."""


class SettingError(FederationError):
    """This party's own settings cannot be run; the message names the setting."""


class SinglePartnerError(SettingError):
    """One partner only: the sum over partners would be its raw embedding."""


class GuardBitsError(SettingError):
    """More partners than the guard bits of a packed field can add up."""


class SmallBatchError(SettingError):
    """A batch is too small against its width to be returned without noise."""


class IdentifierError(FederationError):
    """This party's own identifiers are empty, too long, too many or duplicated."""


class NoSharedUserError(FederationError):
    """No user is known to both parties."""


class MaskReuseError(FederationError):
    """A step would be masked twice, which would reveal a difference."""


class EngineError(FederationError):
    """Flower's simulation engine does not start here, or loses a party; the message says why."""
