"""The environment of a process whose arithmetic repeats to the last bit."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

# Numerical libraries read these once, when they are loaded. Sums of several threads differ in
# their last bits from those of one, and threads of processes side by side fight over cores.
ONE_THREAD: Final[Mapping[str, str]] = MappingProxyType(
    dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
    )
)
