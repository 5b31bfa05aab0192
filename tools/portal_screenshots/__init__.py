"""Pictures of all pages of the portal, to be looked at."""
