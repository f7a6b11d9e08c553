"""Webhooks: sends events from the feed to endpoints, at least once."""
