"""A client of the Lastmile relay written from docs/protocol.md and docs/formats.md alone.

It shares no line with the Rust code, so what both agree on is what the documents say.
"""
