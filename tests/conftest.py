"""Fixtures shared by all tests live in ``tests/plugins``, one file a real server or a kind of data."""

pytest_plugins = [
    "read_once",  # the first: those after it import the product
    "longest_early",
    "frozen_heap",
    "postgres_server",
    "background",
    "cohorts",
    "faults",
    "proofs",
    "committee_room",
    "browser",
    "servers",
    "service",
    "smart_house",
    "report_house",
    "helm",
    "orthanc",
    "rabbitmq_server",
    "redis_server",
    "study_scene",
]
