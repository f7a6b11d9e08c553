"""What every room of the service stands on: the context, who asks, refusals, look-ups, lock-outs."""
