"""What holds for every test."""

import os

# Each process of pytest-xdist has a core; threads of torch that wait for each other would share it.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")

# Every test sees the images that come with firstlight, whatever this machine has; the folder with
# the official files, if one is named, serves the tests of the official files alone.
OFFICIAL = "FIRSTLIGHT_TEST_OFFICIAL"
if OFFICIAL not in os.environ:
    os.environ[OFFICIAL] = os.environ.get("FIRSTLIGHT_DATA", "")
os.environ["FIRSTLIGHT_DATA"] = "embedded"
