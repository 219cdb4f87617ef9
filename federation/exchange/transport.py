"""What moves bytes between a party and the hub."""

from typing import Protocol


class Transport(Protocol):
    """One party's end of its connection to the hub: whole frames, in order."""

    def send(self, data: bytes) -> None:
        """Hand one frame to the hub.

        Raises:
            PeerLostError: the hub cannot take it within the transport's timeout, or is closed.
            PeerError: the hub refuses the frame.
        """
        ...

    def receive(self, timeout: float) -> bytes:
        """The next frame for this party, waiting up to `timeout` seconds.

        Raises:
            PeerLostError: nothing came in time, or the connection is closed.
        """
        ...

    def close(self) -> None:
        """End the connection; later calls raise PeerLostError."""
        ...
