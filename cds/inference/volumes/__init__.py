"""Networks that read volumes: stages of overlap-weighted windows, from an HU volume to candidates and a likelihood."""
