"""A packaged decoder in a process of its own, with limits of time and memory.

A broken code stream keeps a decoder in C busy for minutes or ends its process; nothing can
interrupt it from outside. Here that costs one object. This file is run as a script: it imports
nothing of the platform.

Standard input: 8 bytes (length of the options), the options as JSON, the encapsulated pixel data.
Standard output: the samples of all frames, little endian.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any


def decode(options: dict[str, Any], content: bytes) -> bytes:
    """Decode all frames.

    Parameters
    ----------
    options : dict
        ``syntax``, ``plugin``, ``dtype`` of the samples, and ``image`` as pydicom's decoders
        take it.
    content : bytes
        Encapsulated pixel data.
    """
    import numpy as np
    from pydicom.pixels.decoders.base import get_decoder

    decoder = get_decoder(options["syntax"])
    frames = decoder.iter_array(
        content, raw=True, decoding_plugin=options["plugin"], **options["image"]
    )
    wanted = np.dtype(options["dtype"])
    return b"".join(np.ascontiguousarray(frame, dtype=wanted).tobytes() for frame, _ in frames)


def main() -> None:
    """Read, limit, decode, answer."""
    length = int.from_bytes(sys.stdin.buffer.read(8), "little")
    options = json.loads(sys.stdin.buffer.read(length))
    content = sys.stdin.buffer.read()
    resource.setrlimit(resource.RLIMIT_CPU, (options["cpu_s"], options["cpu_s"]))
    resource.setrlimit(resource.RLIMIT_AS, (options["max_bytes"], options["max_bytes"]))
    sys.stdout.buffer.write(decode(options, content))


if __name__ == "__main__":
    main()
