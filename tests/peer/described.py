#!/usr/bin/python3 -B
"""Is a response what the server's OpenAPI document says of it?

usage: described.py DOCUMENT METHOD PATH STATUS TYPE BODY     (files: DOCUMENT, BODY)

Prints what differs; exit status 1 when something does."""
import json
import re
import sys

import jsonschema

document = json.load(open(sys.argv[1], encoding="utf-8"))
method, path, status, kind = sys.argv[2].lower(), sys.argv[3].split("?")[0], sys.argv[4], sys.argv[5].split(";")[0]


def operation():
    for pattern, item in document["paths"].items():
        if method in item and re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", pattern), path):
            return item[method]
    return None


def response(found):
    if found is None:  # no such resource or method
        return document["components"]["responses"]["problem"] if status in ("404", "405", "403", "401", "400") else None
    answers = found["responses"]
    one = answers.get(status) or answers.get(status[0] + "XX")
    if one and "$ref" in one:
        one = document["components"]["responses"][one["$ref"].rsplit("/", 1)[1]]
    return one


def main():
    answer = response(operation())
    if answer is None:
        return f"{method} {path}: {status} is not described"
    content = answer.get("content", {})
    body = open(sys.argv[6], "rb").read()
    if not content:
        return f"{method} {path}: {status} has a body" if body else None
    if kind not in content:
        return f"{method} {path}: {status} is {kind}, described are {', '.join(content)}"
    if kind not in ("application/json", "application/problem+json"):
        return None
    schema = {"components": document["components"], **content[kind]["schema"]}
    if "type" in schema and "$ref" not in schema:
        schema = {"components": document["components"], "allOf": [content[kind]["schema"]]}
    errors = sorted(jsonschema.Draft202012Validator(schema).iter_errors(json.loads(body)), key=str)
    return "\n".join(f"{method} {path}: {'/'.join(map(str, e.absolute_path))}: {e.message[:300]}" for e in errors[:5]) or None


problem = main()
if problem:
    sys.exit(problem)
