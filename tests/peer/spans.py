#!/usr/bin/python3
"""The spans that a collector was sent: spans.py FOLDER, where receiver.py keeps its posts.

Checks the shape of each request (OTLP's JSON: opentelemetry/proto/trace/v1) and prints its spans, one a line, attributes as
an object."""
import base64
import glob
import json
import os
import re
import sys


def check(right, what, where):
    if not right:
        sys.exit(f"{what}: {json.dumps(where)[:2000]}")


def value_of(value):
    check(isinstance(value, dict) and len(value) == 1, "no value", value)
    kind, inside = next(iter(value.items()))
    if kind == "stringValue":
        check(isinstance(inside, str), "no text", value)
        return inside
    if kind == "intValue":
        check(isinstance(inside, str) and re.fullmatch(r"-?\d+", inside), "64 bits are a text", value)
        return int(inside)
    check(kind == "arrayValue" and list(inside) == ["values"], "unknown value", value)
    return [value_of(v) for v in inside["values"]]


def attributes_of(pairs):
    for pair in pairs:
        check(set(pair) == {"key", "value"}, "no attribute", pair)
    check(len({p["key"] for p in pairs}) == len(pairs), "an attribute twice", pairs)
    return {p["key"]: value_of(p["value"]) for p in pairs}


def span_of(span):
    known = {"traceId", "spanId", "parentSpanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano", "attributes", "status"}
    check(set(span) <= known and known - set(span) <= {"parentSpanId"}, "members", span)
    check(re.fullmatch(r"[0-9a-f]{32}", span["traceId"]), "traceId", span)
    for name in ["spanId"] + ["parentSpanId"] * ("parentSpanId" in span):
        check(re.fullmatch(r"[0-9a-f]{16}", span[name]), name, span)
    for name in ["startTimeUnixNano", "endTimeUnixNano"]:
        check(re.fullmatch(r"\d{19}", span[name]), name, span)
    check(int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"]), "ends before it begins", span)
    check(span["kind"] in (1, 3) and span["status"]["code"] in (1, 2), "kind or status", span)
    attributes = attributes_of(span["attributes"])
    check((span["status"]["code"] == 2) == ("error.type" in attributes), "an error has a type", span)
    check(attributes.get("gen_ai.operation.name") == span["name"].split(" ")[0], "name", span)
    return dict(span, attributes=attributes)


for path in sorted(glob.glob(os.path.join(sys.argv[1], "post-*.json"))):
    with open(path, encoding="utf-8") as file:
        post = json.load(file)
    check(post["path"] == "/v1/traces" and post["headers"]["content-type"] == "application/json", "request", post)
    body = json.loads(base64.b64decode(post["body"]))
    check(list(body) == ["resourceSpans"], "body", body)
    for resource in body["resourceSpans"]:
        check(attributes_of(resource["resource"]["attributes"])["service.name"] == "muster", "resource", resource)
        for scope in resource["scopeSpans"]:
            check(scope["scope"]["name"] == "muster" and scope["spans"], "scope", scope)
            for one in scope["spans"]:
                print(json.dumps(span_of(one)))
