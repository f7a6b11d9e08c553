"""The rules of writing and the group commit, the same for both engines."""
