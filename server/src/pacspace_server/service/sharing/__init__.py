"""A customer's link: policy, access code, visits and remarks."""
