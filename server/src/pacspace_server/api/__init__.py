"""The HTTP API: each route authenticates, parses strictly, makes one service call, and renders."""
