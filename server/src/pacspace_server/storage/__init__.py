"""The stored record: protocols, write rules, group commit, and a folder for each engine."""
