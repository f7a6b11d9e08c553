"""From settings to a running server: engines, wiring, workers, stopping. The only rooms that name an engine."""

import sys
from typing import Any, cast

if not {"rich", "structlog"} & sys.modules.keys():
    # structlog would load rich, which takes 0.1 s, only to print tracebacks; `loglines` prints them itself.
    sys.modules["rich"] = cast("Any", None)
    import structlog  # noqa: F401

    del sys.modules["rich"]
