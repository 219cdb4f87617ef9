"""Item party, partner and coordinator, with their configuration and tables."""
