"""Who may do what: keys and their scopes, the audit log, rate limits."""
