"""How the command ends: 0 when all is well, else one of these."""

NO, WRONG_USE, NOT_DONE = 1, 2, 3  # the answer is no; wrong use; could not be reached or done
