"""The record at rest: protocols, the rules of writing, the group commit; each engine in a folder of its own."""
