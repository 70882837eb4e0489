import json
import urllib.request

import pytest


def call(backend, method, path, body=None, token=None):
    request = urllib.request.Request(backend["url"] + path, method=method, data=json.dumps(body).encode() if body else None)
    request.add_header("apikey", backend["anon_key"])
    request.add_header("Authorization", "Bearer " + (token or backend["anon_key"]))
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read() or "null")


def sign_up(backend, email):
    return call(backend, "POST", "/auth/v1/signup", {"email": email, "password": "a good password"})["access_token"]


@pytest.mark.parametrize("name", ["one", "two", "three"])
def test_a_note_is_its_owners_alone(backend, name):
    ann, bob = sign_up(backend, "ann@example.com"), sign_up(backend, "bob@example.com")
    call(backend, "POST", "/rest/v1/notes", {"body": name}, ann)
    assert call(backend, "GET", "/rest/v1/notes?select=id,body", token=ann) == [{"id": 1, "body": name}]
    assert call(backend, "GET", "/rest/v1/notes?select=body", token=bob) == []
