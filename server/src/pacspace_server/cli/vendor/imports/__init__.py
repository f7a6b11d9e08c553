"""`pacspace import`: records a file of deltas; safe to stop, resume and repeat."""
