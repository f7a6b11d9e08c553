"""HTTP below the API and the pages: requests, replies, cookies, refusals."""
