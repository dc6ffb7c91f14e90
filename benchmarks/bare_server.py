"""The floor: Flask and gunicorn that parse the body and answer a constant. ``gunicorn bare_server:app``"""

from __future__ import annotations

from flask import Flask, Response, jsonify, request

app = Flask("bare")


@app.post("/cds-services/bare")
def call() -> Response:
    request.get_json()
    return jsonify(cards=[])


@app.get("/health")
def health() -> Response:
    return jsonify(status="alive")
