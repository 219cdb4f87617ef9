"""Bytes on the move: transports, sealed links and the hub."""
