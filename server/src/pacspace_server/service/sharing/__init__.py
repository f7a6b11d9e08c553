"""The link that a customer is given: its policy, access code, visits and remarks."""
