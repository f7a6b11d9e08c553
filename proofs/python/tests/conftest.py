"""The vectors' maker is importable in every test."""

import sys
from pathlib import Path

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
sys.path.insert(0, str(VECTORS))
