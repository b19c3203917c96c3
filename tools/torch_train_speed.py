#!/usr/bin/python3
"""Times whole training steps of the 1B shape in torch on the CPU, for `poro bench train` beside it (apt-get install python3-torch).

  tools/torch_train_speed.py --layers 4 --sequence 1024 --threads 2
  poro bench train --model shape:1b --layers 4 --sequence 1024 --threads 2

Forward, backward and AdamW on random tokens, loss on every token. `autocast`: weights, gradients and moments in f32, products in
bf16, as torch users train and as poro does. `bf16`: weights, gradients and moments in bf16 too. Tokens per second and the seconds of
processor time of a step, the median step.
"""
import argparse
import math
import time

import torch
from torch import nn
from torch.nn import functional

WIDTH, FEED_FORWARD, HEADS, KV_HEADS, HEAD, VOCABULARY = 2048, 8192, 32, 8, 64, 128256


class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x):
        exact = x.float()
        return self.weight * (exact * torch.rsqrt(exact.square().mean(-1, keepdim=True) + 1e-5)).to(x.dtype)


def rotate(x, cos, sin):
    first, second = x.chunk(2, -1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norms = nn.ModuleList([Norm(), Norm()])
        self.query, self.output = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(2))
        self.key, self.value = (nn.Linear(WIDTH, KV_HEADS * HEAD, bias=False) for _ in range(2))
        self.gate, self.up = (nn.Linear(WIDTH, FEED_FORWARD, bias=False) for _ in range(2))
        self.down = nn.Linear(FEED_FORWARD, WIDTH, bias=False)

    def forward(self, x, cos, sin, mask):
        rows, tokens, _ = x.shape
        h = self.norms[0](x)
        q = self.query(h).view(rows, tokens, HEADS, HEAD).transpose(1, 2)
        k, v = (m(h).view(rows, tokens, KV_HEADS, HEAD).transpose(1, 2) for m in (self.key, self.value))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        k, v = (t.repeat_interleave(HEADS // KV_HEADS, 1) for t in (k, v))
        weights = functional.softmax(q @ k.transpose(-1, -2) / math.sqrt(HEAD) + mask, -1)
        x = x + self.output((weights @ v).transpose(1, 2).reshape(rows, tokens, WIDTH))
        h = self.norms[1](x)
        return x + self.down(functional.silu(self.gate(h)) * self.up(h))


class Model(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(layers))
        self.norm = Norm()
        for weight in self.parameters():
            if weight.dim() == 2:
                nn.init.normal_(weight, std=0.02)

    def loss(self, ids, cos, sin, mask):
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x, cos, sin, mask)
        logits = functional.linear(self.norm(x), self.embedding.weight)  # The head is tied.
        return functional.cross_entropy(logits[:, :-1].reshape(-1, VOCABULARY).float(), ids[:, 1:].reshape(-1))


def main():
    parser = argparse.ArgumentParser()
    for name, value in (("layers", 16), ("sequence", 2048), ("threads", 2), ("steps", 3)):
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--kind", choices=("autocast", "bf16"), default="autocast")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    dtype = torch.bfloat16 if options.kind == "bf16" else torch.float32
    model = Model(options.layers).to(dtype)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    ids = torch.randint(VOCABULARY, (1, options.sequence))
    angles = torch.outer(torch.arange(options.sequence), 500000 ** (-torch.arange(0, HEAD, 2) / HEAD))
    cos, sin = angles.cos().to(torch.bfloat16), angles.sin().to(torch.bfloat16)
    mask = torch.full((options.sequence, options.sequence), -math.inf).triu(1).to(torch.bfloat16)
    seconds, processor = [], []
    for _ in range(options.steps + 1):
        start, start_processor = time.perf_counter(), time.process_time()
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=options.kind == "autocast"):
            loss = model.loss(ids, cos, sin, mask)
        loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
        processor.append(time.process_time() - start_processor)
    step, busy = (sorted(list[1:])[options.steps // 2] for list in (seconds, processor))  # The first makes the moments.
    print(f"torch {torch.__version__} {options.kind}: {options.sequence / step:.1f} tokens/s, {step:.2f} s a step, "
          f"{busy:.2f} s of processor time, loss {loss.item():.3f}")


main()
