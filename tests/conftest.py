"""What holds for every test."""

import os

from hypothesis import HealthCheck, settings

# Nothing here phones anybody, also where a test imports Flower before this project's own door to
# it; Flower reads these once.
os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
os.environ["FLWR_DISABLE_UPDATE_CHECK"] = "1"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

# No clock decides a test: on a fresh machine Hypothesis takes a second to learn what text is.
settings.register_profile("fedrecall", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fedrecall")
