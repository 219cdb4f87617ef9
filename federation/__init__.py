"""Protocol, cryptography and transports of a vertical federation."""
