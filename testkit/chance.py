"""The seed of everything random in these tests."""

from __future__ import annotations

import os
import secrets

# In the environment, so that parallel test processes share it.
SEED = int(os.environ.setdefault("CONFORMANCE_SEED", str(secrets.randbelow(2**32))))
