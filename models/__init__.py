"""Models and the vocabulary they share: one folder a model, found through the entry point ``cds.models``."""
