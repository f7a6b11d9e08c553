"""Commands that call a server with an API key."""
