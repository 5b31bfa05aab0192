"""`dahlia predict`: what a trained model says of photos on this machine, without a server."""
