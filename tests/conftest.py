"""What holds for every test."""

import os

# Each process of pytest-xdist has a core; threads of torch that wait for each other would share it.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
