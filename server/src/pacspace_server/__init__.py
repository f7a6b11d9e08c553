"""The PacSpace server: records deltas, derives balances, locks months, proves all of it."""
