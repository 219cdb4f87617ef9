"""Candidates, channels, the index and ranking metrics."""
