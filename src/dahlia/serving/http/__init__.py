"""Requests and answers: routes, bodies, admission, refusals, and what the page says of them."""
