"""HTTP only: addresses, bodies, headers, error bodies. No clinical logic."""
