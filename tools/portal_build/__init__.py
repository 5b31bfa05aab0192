"""What `make` does with the portal: its description of the API, and its build."""
