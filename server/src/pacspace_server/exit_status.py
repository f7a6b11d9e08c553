"""The command's exit status: 0 for success, else one of these."""

NO, WRONG_USE, NOT_DONE = 1, 2, 3  # negative answer; wrong usage; unreachable or failed
