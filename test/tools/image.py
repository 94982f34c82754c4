# Asks drgn about an image: image.py FILE ARCHITECTURE. Memory is the file's own, by its program headers.
import json
import struct
import sys

from drgn import Architecture, Platform, Program

path, architecture = sys.argv[1:]
program = Program(Platform(Architecture[architecture]))
program.load_debug_info([path])
with open(path, "rb") as file:
    content = file.read()
start, size, count = struct.unpack_from("<Q", content, 32)[0], *struct.unpack_from("<HH", content, 54)
for i in range(count):
    kind, _, offset, address, _, filled, whole, _ = struct.unpack_from("<IIQQQQQQ", content, start + i * size)
    if kind == 1 and whole > 0:
        data = content[offset : offset + filled] + bytes(whole - filled)
        program.add_memory_segment(address, whole, lambda _, count, at, __, data=data: data[at : at + count], False)

weigh = program.function("weigh").address_
symbol = program.symbol(weigh + 1)
print(
    json.dumps(
        {
            "weigh": hex(weigh),
            "symbol": [symbol.name, hex(symbol.address)],
            "size of struct thing": program.type("struct thing").size,
            "weight": program["things"][1].weight.value_(),
            "hidden": program["hidden"].value_(),
        }
    )
)
