"""Webhooks: from the feed of events to attempts on endpoints, at least once."""
