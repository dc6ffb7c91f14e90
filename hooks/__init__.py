"""The clinical stories: one file a service. Pancreatic cancer lives here, in ``models`` and in ``policy.yaml``."""
