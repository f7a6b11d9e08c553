"""What goes to the customer: receipts in every form, and who may have which."""
