"""Settings of `dahlia serve` and of the prediction service, from one file and the environment."""
