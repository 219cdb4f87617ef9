"""A federation rehearsed on one machine: every party a host of its own, in a network namespace."""
