"""Make the inputs of the ports: the book in pieces, and tables, logs and pictures from a seed.

The same seed gives the same bytes, so that two runs of the tests read the same.
"""

from __future__ import annotations

import gzip
import json
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

BOOKS = Path(__file__).parents[2] / "books"
PIECES = 4
COUNTRIES = ("NL", "DE", "FR", "ES", "PT")


def make(folder: Path, seed: int = 17) -> Path:
    """Write all inputs into a folder, and return it."""
    chance = random.Random(seed)
    writers: tuple[Callable[[Path, random.Random], None], ...] = (
        _texts,
        _weather,
        _records,
        _matrices,
        _log,
        _tables,
        _pictures,
        _crawl,
        _points,
    )
    for write in writers:
        write(folder, chance)
    return folder


def _texts(folder: Path, chance: random.Random) -> None:
    """The book in four pieces, and prose with accents, empty lines and no line end at its end."""
    lines = (BOOKS / "alice.txt").read_text(encoding="utf-8").splitlines()
    texts = folder / "texts"
    texts.mkdir()
    length = len(lines) // PIECES
    for number in range(PIECES):
        piece = "".join(f"{line}\n" for line in lines[number * length :][:length])
        (texts / f"alice-{number + 1}.txt").write_text(piece, encoding="utf-8")
    words = ["naïve", "façade", "Käsebrot", "it's", "Über", "the", "", "une", "über", "queue"]
    prose = "\n".join(" ".join(chance.choices(words, k=chance.randrange(9))) for _ in range(400))
    (texts / "prose.txt").write_text(prose + "\n\nthe end, without a line end", encoding="utf-8")


def _weather(folder: Path, chance: random.Random) -> None:
    rows = (
        f"{chance.randrange(1901, 1991)} s{chance.randrange(40):02} {chance.randrange(-400, 450)}"
        for _ in range(3_000)
    )
    _write_lines(folder / "weather.txt", rows)


def _records(folder: Path, chance: random.Random) -> None:
    """Records with keys of ten characters, some twice; quotes are in keys and payloads."""
    letters = "ABCXYZabcxyz019 \"'~"
    keys = ["".join(chance.choices(letters, k=10)) for _ in range(2_500)]
    rows = (f'{key}\t{number:06} "said" he' for number, key in enumerate(keys + keys[:100]))
    _write_lines(folder / "records.txt", rows)


def _matrices(folder: Path, chance: random.Random) -> None:
    for name, rows, columns in (("a", 30, 40), ("b", 40, 20)):
        cells = (
            f"{row},{column},{chance.randrange(-9, 10)}"
            for row in range(rows)
            for column in range(columns)
            if chance.random() < 0.2
        )
        _write_lines(folder / f"{name}.csv", ["row,column,value", *cells])


def _log(folder: Path, chance: random.Random) -> None:
    """A web log in Latin-1: some hosts have a break of hours between two pages."""
    time = datetime(2026, 3, 1, tzinfo=timezone(timedelta(hours=1)))
    rows = []
    for _ in range(3_000):
        time += timedelta(seconds=chance.choice((1, 5, 60, 600)))
        host = f"host{chance.randrange(60)}.example"
        page = chance.choice(("/", "/caf\u00e9", "/cart", "/\u00fcber", "/pay"))
        said = f'{time:%d/%b/%Y:%H:%M:%S %z}] "GET {page} HTTP/1.1" 200 {chance.randrange(9999)}'
        rows.append(f"{host} - - [{said}")
    (folder / "access.log").write_bytes("".join(f"{row}\n" for row in rows).encode("latin-1"))


def _tables(folder: Path, chance: random.Random) -> None:
    names = ("Ada", 'Bea "B."', "Çem", "Dana O'Neill", "Eva\u2014Lin")
    users = (f"{number}\t{chance.choice(names)} {number}" for number in range(200))
    _write_lines(folder / "users.tsv", ["id\tname", *users])
    orders = (
        {
            "id": number,
            "user": chance.randrange(230),
            "country": chance.choice(COUNTRIES),
            "amount": chance.randrange(1, 100_000) / 100,
        }
        for number in range(2_000)
    )
    _write_lines(folder / "orders.jsonl", map(json.dumps, orders))
    sales = (f"c{chance.randrange(80)},{chance.randrange(-50, 1000)}" for _ in range(2_000))
    _write_lines(folder / "sales.csv", ["customer,amount", *sales])


def _pictures(folder: Path, chance: random.Random) -> None:
    """PNGs of several sizes, and a file that is none."""
    pictures = folder / "pictures"
    pictures.mkdir()
    for number in range(12):
        width, height = 10 + number, 20 + chance.randrange(30)
        rows = b"".join(b"\0" + chance.randbytes(width) for _ in range(height))
        header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
        chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
        packed = b"".join(_chunk(kind, content) for kind, content in chunks)
        (pictures / f"{number:02}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + packed)
    (pictures / "notes.bin").write_bytes(chance.randbytes(64))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", _crc(kind, content))


def _crc(kind: bytes, content: bytes) -> int:
    return zlib.crc32(content, zlib.crc32(kind))


def _crawl(folder: Path, chance: random.Random) -> None:
    """WET files as Common Crawl has them: one member of gzip for each record."""
    crawl = folder / "crawl"
    crawl.mkdir()
    for number in range(3):
        records = [_record("warcinfo", "", "application/warc-fields", "software: made\r\n")]
        for _ in range(60):
            host = f"shop{chance.randrange(25)}.example"
            page = f"http://{host}/{chance.choice(('', 'contact', 'about', 'jobs'))}"
            phones = [_phone(chance) for _ in range(chance.randrange(4))]
            text = f"Welcome to {host}.\nCall " + " or ".join(phones) + " today, über alles.\n"
            records.append(_record("conversion", page, "text/plain", text))
        content = b"".join(gzip.compress(record, mtime=0) for record in records)
        (crawl / f"{number}.warc.wet.gz").write_bytes(content)


def _phone(chance: random.Random) -> str:
    area, exchange = 200 + chance.randrange(12), 100 + chance.randrange(9)
    mark = chance.choice(("-", ".", " ", ") "))
    return f"{chance.choice(('', '1'))}{area}{mark}{exchange}-{chance.randrange(5):04}"


def _record(kind: str, page: str, content_type: str, text: str) -> bytes:
    body = text.encode()
    headers = {
        "WARC-Type": kind,
        "WARC-Target-URI": page,
        "WARC-Date": "2026-03-01T00:00:00Z",
        "WARC-Record-ID": f"<urn:uuid:00000000-0000-0000-0000-{_crc(body, page.encode()):012}>",
        "Content-Type": content_type,
        "Content-Length": str(len(body)),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value)
    return f"WARC/1.0\r\n{head}\r\n".encode() + body + b"\r\n\r\n"


def _points(folder: Path, chance: random.Random) -> None:
    centres = [(chance.uniform(-50, 50), chance.uniform(-50, 50)) for _ in range(4)]
    rows = (
        f"{x + chance.gauss(0, 3):.3f},{y + chance.gauss(0, 3):.3f}"
        for x, y in (chance.choice(centres) for _ in range(1_500))
    )
    _write_lines(folder / "points.csv", rows)


def _write_lines(path: Path, lines: Iterator[str] | list[str] | map[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
