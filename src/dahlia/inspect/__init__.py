"""`dahlia inspect`: what a source of photos holds, without training."""
