"""From settings to a running server: engines, wiring, workers, stopping. The only rooms that name an engine."""
