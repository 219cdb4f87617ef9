"""Torch models: partner encoders, projections and the dual tower."""
