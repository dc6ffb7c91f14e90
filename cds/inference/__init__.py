"""Models: manifests, the registry they are found in, and the runtimes that run them."""
