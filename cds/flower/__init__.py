"""Signed results of a validation round, carried between houses by Flower (https://flower.ai).

Flower brings the connection from the hospital outwards, and who may be on it; what is carried is the same signed file
that could be mailed. Needs the extra ``flower``. ``app/`` is what the coordinator starts with ``flwr run``.
"""
