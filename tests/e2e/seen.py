"""What a process sees of simulated GPUs, by the real loader: simze-show, a process for each case."""

from __future__ import annotations

import os
import subprocess

import harness


class Seen:
    """What one process saw."""

    def __init__(self, lines):
        self.devices, self.itex, self.sycl, self.values = [], [], [], {}
        self.tiles = set()
        for word, *rest in lines:
            if word in ("device", "tile"):
                unit = self._unit(rest)
                if word == "device":
                    self.devices.append(unit)
                self.tiles.add(unit)
            elif word in ("itex", "sycl"):
                getattr(self, word).append(self._unit(rest))
            else:
                self.values.setdefault(word, []).append(" ".join(rest))
        # a card of which tiles are listed is those tiles
        self.tiles -= {(card, None) for card, tile in self.tiles if tile is not None}
        self.result = self.values.get("result", [None])[0]
        self.signal = self.values.get("signal", [None])[0]

    @staticmethod
    def _unit(words):
        address, tile = words
        return (int(address[5:7], 16) - 0x3A) // 0x10, None if tile == "-" else int(tile)


def run(program, text, env=None, **options):
    return subprocess.run(
        list(map(str, program)),
        input=text,
        env={**harness.INSTRUMENTED, "PATH": os.environ.get("PATH", "/usr/bin:/bin"), **(env or {})},
        text=True,
        capture_output=True,
        timeout=harness.TIMEOUT * 10,
        **options,
    )


def show(node, cases=({},), *arguments, **env):
    """What processes with these environments see: a Seen for each."""
    text = "".join("\t".join(f"{n}={v}" for n, v in case.items()) + "\n" for case in cases)
    result = run([harness.SIMZE_SHOW, "--cases", *arguments], text, {**node.env, **env})
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr
    blocks = result.stdout.split("end\n")[:-1]
    assert len(blocks) == len(cases)
    return [Seen([line.split() for line in block.splitlines()]) for block in blocks]
