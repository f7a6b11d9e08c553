"""HTTP for programs: parse strictly, authenticate, one service call, render."""
