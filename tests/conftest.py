"""What holds for every test."""

import os

# Nothing here phones anybody, also where a test imports Flower before this project's own door to
# it; Flower reads these once.
os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
os.environ["FLWR_DISABLE_UPDATE_CHECK"] = "1"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
