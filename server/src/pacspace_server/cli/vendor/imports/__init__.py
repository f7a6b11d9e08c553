"""`pacspace import`: a file of deltas into the record; safe to repeat, to stop and to go on."""
