"""From settings to a running server: engines, wiring, workers, shutdown. The only room that names an engine."""

import sys
from typing import Any, cast

if not {"rich", "structlog"} & sys.modules.keys():
    # structlog would load rich (0.1 s) only to print tracebacks, which `loglines` prints instead.
    sys.modules["rich"] = cast("Any", None)
    import structlog  # noqa: F401

    del sys.modules["rich"]
