#!/usr/bin/env python3
"""Records a packet of every kind in proto/itexd.proto, with every field set: bytes, and what is in them.

    record_packets.py 1.0 > packets-1.0.txt

Run once for each new minor version, into a new file beside the old ones, which never change: they are what
programs of that version send. Needs protoc and Python's protobuf, so that the bytes come from another
implementation than the one that is tested. Format: `packet KIND BODY`, `bytes HEX` (up to 64 digits a line),
then `PATH = VALUE` for each field.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from itertools import count
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

ROOT = Path(__file__).resolve().parents[3]
ELEMENTS = 2  # of each repeated field


def load() -> descriptor_pool.DescriptorPool:
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(
            ["protoc", f"--descriptor_set_out={out.name}", f"-I{ROOT / 'proto'}", "itexd.proto"], check=True
        )
        files = descriptor_pb2.FileDescriptorSet.FromString(Path(out.name).read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return pool


def scalar(field: FieldDescriptor, n: int) -> str | int | float | bool | bytes:
    """A value that no other field of the packet has, as far as its type allows."""
    if field.type == FieldDescriptor.TYPE_STRING:
        return f"{field.name}-{n} é"
    if field.type == FieldDescriptor.TYPE_BYTES:
        return bytes([n % 256, 0, 255, n // 256])
    if field.type == FieldDescriptor.TYPE_BOOL:
        return True
    if field.type == FieldDescriptor.TYPE_ENUM:
        return field.enum_type.values[-1].number
    if field.type == FieldDescriptor.TYPE_UINT64:
        return 2**63 + n
    if field.type == FieldDescriptor.TYPE_UINT32:
        return 2**31 + n
    if field.type == FieldDescriptor.TYPE_INT32:
        return -n
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return n + 0.5
    raise SystemExit(f"{field.full_name}: a type that this script does not know")


def fill(message: Message, numbers: count[int]) -> None:
    """Sets every field that is not in a oneof."""
    for field in message.DESCRIPTOR.fields:
        if field.containing_oneof:
            continue
        if field.label == FieldDescriptor.LABEL_REPEATED:
            for _ in range(ELEMENTS):
                if field.message_type:
                    fill(getattr(message, field.name).add(), numbers)
                else:
                    getattr(message, field.name).append(scalar(field, next(numbers)))
        elif field.message_type:
            getattr(message, field.name).SetInParent()
            fill(getattr(message, field.name), numbers)
        else:
            setattr(message, field.name, scalar(field, next(numbers)))


def text(field: FieldDescriptor, value: object) -> str:
    if field.type == FieldDescriptor.TYPE_BYTES:
        assert isinstance(value, bytes)
        return value.hex()
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return f"{value:.17g}"
    return str(int(value)) if isinstance(value, bool) else str(value)


def show(message: Message, path: str) -> None:
    """PATH = VALUE for each field, `PATH = {}` for a message without any."""
    fields = message.ListFields()
    if not fields:
        print(f"{path} = {{}}")
    for field, value in fields:
        values = value if field.label == FieldDescriptor.LABEL_REPEATED else [value]
        for i, one in enumerate(values):
            index = f"[{i}]" if field.label == FieldDescriptor.LABEL_REPEATED else ""
            name = f"{path}.{field.name}{index}"
            if field.message_type:
                show(one, name)
            else:
                print(f"{name} = {text(field, one)}")


def record(kind: str, body: str, message: Message) -> None:
    print(f"\npacket {kind} {body}")
    digits = message.SerializeToString(deterministic=True).hex()
    for start in range(0, len(digits), 64):
        print(f"bytes {digits[start : start + 64]}")
    show(message, kind)


def bodies(descriptor: Descriptor) -> list[FieldDescriptor]:
    return list(descriptor.oneofs[0].fields)


def main() -> None:
    pool = load()
    factory = message_factory.MessageFactory(pool)
    request = pool.FindMessageTypeByName("itexd.v1.Request")
    packet = pool.FindMessageTypeByName("itexd.v1.ServerPacket")
    reply = pool.FindMessageTypeByName("itexd.v1.Reply")
    print(
        f"# Every kind of packet of version {sys.argv[1]}, every field set; never edited (record_packets.py)."
    )
    for body in bodies(request):
        message = factory.GetPrototype(request)()
        fill(message, numbers := count(1))
        getattr(message, body.name).SetInParent()
        fill(getattr(message, body.name), numbers)
        record("request", body.name, message)
    for body in bodies(reply):
        message = factory.GetPrototype(packet)()
        fill(message.reply, numbers := count(1))
        getattr(message.reply, body.name).SetInParent()
        fill(getattr(message.reply, body.name), numbers)
        record("server", body.name, message)
    message = factory.GetPrototype(packet)()
    message.event.SetInParent()
    fill(message.event, count(1))
    record("server", "event", message)


if __name__ == "__main__":
    main()
