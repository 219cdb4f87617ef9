"""A party's node: what it is told by its `party.toml`, and what runs under it."""
