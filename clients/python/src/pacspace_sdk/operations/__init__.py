"""The API's operations: each is written once, as a generator, for both clients."""
