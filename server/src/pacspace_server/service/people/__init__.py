"""Users, sessions, API keys and workspaces."""
