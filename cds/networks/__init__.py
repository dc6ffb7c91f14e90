"""From published checkpoints to model folders: the only room that knows torch, and only while it imports."""
