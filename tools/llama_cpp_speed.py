#!/usr/bin/python3
"""Writes a GGUF file of the Poro 2 8B shape with random weights, for timing llama.cpp beside poro.

  tools/llama_cpp_speed.py Q8_0 /tmp/8b-q8_0.gguf      (8.5 GB; Q4_0: 4.5 GB)
  tools/llama_cpp_speed.mjs /tmp/8b-q8_0.gguf 2         (prints prompt and generation speed with two threads)

Every matrix has its own bytes in the file, so that nothing fits a cache. The vocabulary is made of dummies: only ids go in.
"""
import struct
import sys

import numpy as np

LAYERS, WIDTH, FEED_FORWARD, HEADS, KV_HEADS, VOCABULARY, HEAD = 32, 4096, 14336, 32, 8, 128256, 128
F32, Q4_0, Q8_0 = 0, 2, 8  # GGUF's numbers of the tensor types.
U32, I32, FLOAT32, STRING, ARRAY = 4, 5, 6, 8, 9  # And of the metadata types.
BLOCK_BYTES = {Q4_0: 18, Q8_0: 34}  # Of 32 weights: an f16 scale and the codes.
ALIGNMENT = 32


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def entry(key, kind, value):
    head = text(key) + struct.pack("<I", kind)
    if kind == STRING:
        return head + text(value)
    if kind == ARRAY:
        element, items = value
        packed = b"".join(text(i) for i in items) if element == STRING else np.asarray(items, "<i4").tobytes()
        return head + struct.pack("<IQ", element, len(items)) + packed
    return head + struct.pack({U32: "<I", I32: "<i", FLOAT32: "<f"}[kind], value)


def tensors(kind):
    """(name, columns, rows, type) in the order of the file."""
    yield "token_embd.weight", WIDTH, VOCABULARY, kind
    for layer in range(LAYERS):
        prefix = f"blk.{layer}."
        yield prefix + "attn_norm.weight", WIDTH, None, F32
        yield prefix + "attn_q.weight", WIDTH, HEADS * HEAD, kind
        yield prefix + "attn_k.weight", WIDTH, KV_HEADS * HEAD, kind
        yield prefix + "attn_v.weight", WIDTH, KV_HEADS * HEAD, kind
        yield prefix + "attn_output.weight", HEADS * HEAD, WIDTH, kind
        yield prefix + "ffn_norm.weight", WIDTH, None, F32
        yield prefix + "ffn_gate.weight", WIDTH, FEED_FORWARD, kind
        yield prefix + "ffn_up.weight", WIDTH, FEED_FORWARD, kind
        yield prefix + "ffn_down.weight", FEED_FORWARD, WIDTH, kind
    yield "output_norm.weight", WIDTH, None, F32
    yield "output.weight", WIDTH, VOCABULARY, kind


def size(columns, rows, kind):
    return columns * 4 if kind == F32 else columns * rows // 32 * BLOCK_BYTES[kind]


def main():
    kind, path = {"Q4_0": Q4_0, "Q8_0": Q8_0}[sys.argv[1]], sys.argv[2]
    names = [chr(0x100 + i) for i in range(256)] + [f"<t{i}>" for i in range(256, VOCABULARY)]
    metadata = [
        entry("general.architecture", STRING, "llama"),
        entry("general.name", STRING, "random 8B"),
        entry("general.file_type", U32, {Q4_0: 2, Q8_0: 7}[kind]),
        entry("llama.block_count", U32, LAYERS),
        entry("llama.context_length", U32, 8192),
        entry("llama.embedding_length", U32, WIDTH),
        entry("llama.feed_forward_length", U32, FEED_FORWARD),
        entry("llama.attention.head_count", U32, HEADS),
        entry("llama.attention.head_count_kv", U32, KV_HEADS),
        entry("llama.attention.layer_norm_rms_epsilon", FLOAT32, 1e-5),
        entry("llama.rope.dimension_count", U32, HEAD),
        entry("llama.rope.freq_base", FLOAT32, 500000.0),
        entry("llama.vocab_size", U32, VOCABULARY),
        entry("tokenizer.ggml.model", STRING, "gpt2"),
        entry("tokenizer.ggml.pre", STRING, "llama-bpe"),
        entry("tokenizer.ggml.tokens", ARRAY, (STRING, names)),
        entry("tokenizer.ggml.token_type", ARRAY, (I32, [1] * VOCABULARY)),
        entry("tokenizer.ggml.merges", ARRAY, (STRING, [])),
        entry("tokenizer.ggml.bos_token_id", U32, 128000),
        entry("tokenizer.ggml.eos_token_id", U32, 128001),
    ]
    table = list(tensors(kind))
    header = struct.pack("<4sIQQ", b"GGUF", 3, len(table), len(metadata)) + b"".join(metadata)
    offset = 0
    for name, columns, rows, tensor_kind in table:
        dims = [columns] if rows is None else [columns, rows]
        header += text(name) + struct.pack(f"<I{len(dims)}Q", len(dims), *dims) + struct.pack("<IQ", tensor_kind, offset)
        offset += -(-size(columns, rows, tensor_kind) // ALIGNMENT) * ALIGNMENT
    # One stretch of random bytes, read from another place for every matrix: making new ones takes minutes and times nothing else.
    random = np.random.default_rng(0).integers(0, 256, 1 << 28, np.uint8)
    place = 0
    with open(path, "wb") as file:
        file.write(header + b"\0" * (-len(header) % ALIGNMENT))
        for _, columns, rows, tensor_kind in table:
            if tensor_kind == F32:
                data = np.ones(columns, "<f4").tobytes()
            else:
                place = (place + 7919) % (1 << 20)
                blocks = np.resize(random[place:], (columns * rows // 32, BLOCK_BYTES[tensor_kind]))
                step = 0.02 / (4.6 if tensor_kind == Q4_0 else 74)  # Codes are uniform, so that weights deviate by 0.02.
                blocks[:, :2] = np.frombuffer(np.float16(step).tobytes(), np.uint8)
                data = blocks.tobytes()
            file.write(data + b"\0" * (-len(data) % ALIGNMENT))


main()
