"""Benches: what the protected parts cost beside their bare ingredients and their peers."""
