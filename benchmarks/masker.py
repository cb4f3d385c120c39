"""How fast a log goes through the masker, on one core, for usual text and for the worst that was thought of.

    python benchmarks/masker.py --rounds 7

CPU seconds of this thread; the best round of each text counts, since what else the machine does only adds. Pieces of 64 KB
and of 1 MB: what a pipe gives at once. Nothing here asserts a time.
"""

from __future__ import annotations

import argparse
import base64
import random
import time
from typing import Dict, List

from mlorch.engine.masker import Masker, anchors_of, patterns_of

SIZE = 1 << 20


def pem(chance: random.Random) -> str:
    """A private key as it looks: 26 lines."""
    text = base64.b64encode(bytes(chance.getrandbits(8) for _ in range(1200))).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----", ""])


def secrets() -> Dict[str, List[str]]:
    chance = random.Random(1)
    token = "ghp_" + "".join(chance.choice("abcdefghijkmnopqrstuvwxyzABCDEFGH0123456789") for _ in range(36))
    return {
        "one token": [token],
        "three of them": ["correct-horse-battery-staple", "s3cr3t/with+signs==", token],
        "and a key in PEM": ["correct-horse-battery-staple", "s3cr3t/with+signs==", pem(chance)],
    }


def repeated(text: bytes) -> bytes:
    return (text * (SIZE // len(text) + 1))[:SIZE]


def texts() -> Dict[str, bytes]:
    chance = random.Random(2)
    noise = bytes(chance.getrandbits(8) for _ in range(SIZE))
    words = [
        b"loss",
        b"epoch",
        b"INFO",
        b"train",
        b"correct",
        b"battery",
        b"horse",
        b"with",
        b"signs",
        b"BEGIN",
    ]
    return {
        "lines of a log": repeated(b"2024-01-01 INFO epoch 12 loss=0.1234 a perfectly usual line of a log\n"),
        "random words, some of a secret": b" ".join(chance.choice(words) for _ in range(SIZE))[:SIZE],
        "base64": base64.b64encode(noise)[:SIZE],
        "hexadecimal": noise[: SIZE // 2].hex().encode(),
        "binary": noise,
        "JSON": repeated(b'{"step": 12, "loss": 0.123, "path": "data/part-00012.parquet", "ok": true}\n'),
        "progress bars": repeated(b"\r 45%|" + "█".encode() * 20 + b"    | 450/1000 [00:12<00:15, 36.1it/s]"),
        "dashes": repeated(b"-" * 79 + b"\n"),
        "digits": repeated(b"0123456789"),
        "one letter": repeated(b"e"),
        "three letters of a secret": repeated(b"e-s"),
        "all but a secret's last letter": repeated(b"correct-horse-battery-stapl "),
        "all but a secret's first letter": repeated(b"orrect-horse-battery-staple "),
        "a secret in every tenth line": repeated(
            b"a usual line\n" * 9 + b"token correct-horse-battery-staple\n"
        ),
    }


def rate(masker: Masker, text: bytes, piece: int, rounds: int) -> float:
    """MB/s."""
    best = float("inf")
    for _ in range(rounds):
        begin = time.thread_time()
        for at in range(0, len(text), piece):
            masker.feed(text[at : at + piece])
        best = min(best, time.thread_time() - begin)
    return len(text) / best / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    known, all_texts = secrets(), texts()
    print(f"{'MB/s':34}" + "".join(f"{name:>24}" for name in known))
    counts = [(len(anchors_of(tuple(item))), len(patterns_of(tuple(item)))) for item in known.values()]
    print(f"{'anchors / patterns':34}" + "".join(f"{f'{few} / {all_}':>24}" for few, all_ in counts))
    slowest = []
    for name, text in all_texts.items():
        rates = [
            (
                rate(Masker(item), text, 1 << 16, options.rounds),
                rate(Masker(item), text, SIZE, options.rounds),
            )
            for item in known.values()
        ]
        slowest.append((min(min(pair) for pair in rates), name))
        print(f"{name:34}" + "".join(f"{f'{small:.0f}, {large:.0f}':>24}" for small, large in rates))
    print("slowest: {1}, {0:.0f} MB/s".format(*min(slowest)))


if __name__ == "__main__":
    main()
