"""The `pacspace` command: the entry that reads settings, chooses the engine, wires the rooms and starts."""

from .main import main

__all__ = ["main"]
