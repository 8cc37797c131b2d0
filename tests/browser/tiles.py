"""The smallest maps there are: a style that is one colour, and a PMTiles file whose one
tile is water.
"""

import gzip
import json
import struct
from urllib.parse import urlsplit

from playwright.async_api import Route

STYLE = {
    "version": 8,
    "center": [7.42, 43.735],
    "sources": {
        "none": {
            "type": "geojson",
            "data": {"type": "FeatureCollection", "features": []},
            "attribution": "<b>Tiny</b> &copy; maps<script>alert(1)</script>",
        }
    },
    "layers": [
        {"id": "all", "type": "background", "paint": {"background-color": "#ff00aa"}}
    ],
}
GZIP, PLAIN, MVT = 2, 1, 1
EXTENT = 4096
MOVE, LINE, CLOSE = 1, 2, 7


def varint(value: int) -> bytes:
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def field(number: int, value: bytes | int) -> bytes:
    """Of a protobuf message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def zigzag(value: int) -> int:
    return value << 1 ^ value >> 31


def water() -> bytes:
    """A vector tile (2.1) that is a square of water, all of it."""
    steps = [(MOVE, 1, (0, 0)), (LINE, 3, (EXTENT, 0), (0, EXTENT), (-EXTENT, 0))]
    geometry: list[int] = []
    for command, count, *by in steps:
        geometry.append(command | count << 3)
        geometry += [zigzag(part) for point in by for part in point]
    geometry.append(CLOSE | 1 << 3)
    polygon = field(3, 3) + field(4, b"".join(map(varint, geometry)))
    layer = field(15, 2) + field(1, b"water") + field(2, polygon) + field(5, EXTENT)
    return field(3, layer)


def pmtiles() -> bytes:
    """Version 3, one tile: the world."""
    tile = gzip.compress(water())
    root = gzip.compress(b"".join(map(varint, (1, 0, 1, len(tile), 1))))
    said = {"vector_layers": [{"id": "water"}], "attribution": "Tiny water"}
    metadata = gzip.compress(json.dumps(said).encode())
    places: list[int] = []
    at = 127
    for part in (root, metadata, b"", tile):
        places += [at, len(part)]
        at += len(part)
    head = b"PMTiles\x03" + struct.pack("<8Q", *places) + struct.pack("<3Q", 1, 1, 1)
    kinds = bytes([1, GZIP, GZIP, MVT, 0, 0])
    bounds = struct.pack("<4i", 70000000, 430000000, 80000000, 440000000)
    middle = bytes([0]) + struct.pack("<2i", 75000000, 435000000)
    return head + kinds + bounds + middle + root + metadata + tile


BODIES = {
    "/style.json": (json.dumps(STYLE).encode(), "application/json"),
    "/water.pmtiles": (pmtiles(), "application/octet-stream"),
}


async def serve(route: Route) -> None:
    """In place of the network: a tile server, of which all origins may ask."""
    found = BODIES.get(urlsplit(route.request.url).path)
    headers = {"Access-Control-Allow-Origin": "*"}
    if found is None:
        await route.fulfill(status=404, headers=headers)
        return
    body, kind = found
    asked = await route.request.header_value("range")
    if asked is None:
        await route.fulfill(body=body, content_type=kind, headers=headers)
        return
    first, last = map(int, asked.removeprefix("bytes=").split("-"))
    part = body[first : last + 1]
    headers["Content-Range"] = f"bytes {first}-{first + len(part) - 1}/{len(body)}"
    headers["Content-Type"] = kind
    await route.fulfill(status=206, body=part, headers=headers)
