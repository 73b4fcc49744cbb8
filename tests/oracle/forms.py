"""The ways in which one statement is put on the wire."""

import struct

import link  # noqa: F401
import wire as w

from shapes import INT4, INT4_ARRAY, array_text

# Weighted: a form that a session uses is the one that others will ask in, too.
READ_FORMS = ("simple",) * 4 + ("text",) * 2 + ("typed", "binary", "binary_result", "named", "named")
WRITE_FORMS = ("simple",) * 3 + ("text", "typed", "binary", "named")


def text_values(values):
    return [array_text(v) if isinstance(v, (list, tuple)) else v for v in values]


def binary_values(shape, values):
    """Integers and their arrays in binary, texts as they are: every one of format 1."""
    encoded = []
    for kind, value in zip(shape.types(), values):
        if kind == INT4:
            encoded.append(struct.pack("!i", value))
        elif kind == INT4_ARRAY:
            encoded.append(struct.pack("!iiiii", 1, 0, INT4, len(value), 1)
                           + b"".join(struct.pack("!ii", 4, v) for v in value))
        else:
            encoded.append(value.encode())
    return encoded


def execute(shape, values, form, portal_described=True):
    """Bind, Describe and Execute on the unnamed statement, without the Sync."""
    middle = w.describe() if portal_described else b""
    if form == "binary":
        return w.bind(binary_values(shape, values), formats=(1,)) + middle + w.execute()
    results = (1,) if form == "binary_result" else ()
    return w.bind(text_values(values), result_formats=results) + middle + w.execute()


def extended(shape, values, form):
    """Parse, Bind, Describe, Execute on the unnamed statement, without the Sync."""
    types = () if form == "text" else shape.types()
    return w.parse(shape.sql, types=types) + execute(shape, values, form)


def encode(session, shape, values, form):
    """One batch; a named statement is prepared in it unless the session has it already."""
    if form == "simple":
        return w.query(shape.inlined(values))
    if form != "named":
        return extended(shape, values, form) + w.SYNC
    parse = b"" if shape.name in session.prepared else w.parse(shape.sql, shape.name)
    return (parse + w.bind(text_values(values), shape.name) + w.describe() + w.execute() + w.SYNC)
