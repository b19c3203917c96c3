"""Makes tests/model/forward_golden.json: what transformers computes in float64 for the model of tools/write_golden_model.cpp.

transformers' RMSNorm and rotary embedding compute in float32 whatever the model's type, so both are replaced by the same lines in
float64; `--compare FORWARD_JSON MODELS` also prints how far the unpatched classes are from the patched ones, and from goldens made
with them.

    build/release/write_golden_model /tmp/golden && python3 tools/golden_forward.py --model /tmp/golden --out forward_golden.json
"""
import argparse
import json
import pathlib

import torch
from transformers import AutoModelForCausalLM
from transformers.models.llama import modeling_llama


def exact_norm(self, x):
    return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon))


def exact_rotary(self, x, position_ids):
    config = self.config
    rope = getattr(config, "rope_parameters", None) or {**(config.rope_scaling or {}), "rope_theta": config.rope_theta}
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    frequencies = 1.0 / rope["rope_theta"] ** (torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
    if rope.get("rope_type") == "llama3":
        low, high, original = rope["low_freq_factor"], rope["high_freq_factor"], rope["original_max_position_embeddings"]
        turns = original * frequencies / (2 * torch.pi)
        smooth = ((turns - low) / (high - low)).clamp(0, 1)
        frequencies = (1 - smooth) * frequencies / rope["factor"] + smooth * frequencies
    angles = position_ids[..., None].to(torch.float64) * frequencies
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def logits(folder, ids, exact):
    norm, rotary = modeling_llama.LlamaRMSNorm.forward, modeling_llama.LlamaRotaryEmbedding.forward
    if exact:
        modeling_llama.LlamaRMSNorm.forward, modeling_llama.LlamaRotaryEmbedding.forward = exact_norm, exact_rotary
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager")
        with torch.no_grad():
            # Eager attention would round its softmax to float32.
            softmax = torch.nn.functional.softmax
            if exact:
                torch.nn.functional.softmax = lambda x, dim, dtype=None: softmax(x, dim=dim)
            try:
                return model(torch.tensor([ids])).logits[0]
            finally:
                torch.nn.functional.softmax = softmax
    finally:
        modeling_llama.LlamaRMSNorm.forward, modeling_llama.LlamaRotaryEmbedding.forward = norm, rotary


def golden(folder):
    config = json.loads((pathlib.Path(folder) / "config.json").read_text())
    ids = [(i * 7919 + 104729 + i * i) % config["vocab_size"] for i in range(100)]
    out = logits(folder, ids, exact=True)
    logp = torch.log_softmax(out[:-1], dim=-1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
    return {"ids": ids, "token_logprobs": logp.tolist(), "logits_last": out[-1].tolist()}


def compare(forward_json, models):
    for case in json.loads(pathlib.Path(forward_json).read_text()):
        for ids, last in zip(case["input_ids"], case["logits_last"]):
            want = torch.tensor(last, dtype=torch.float64)
            plain, exact = (logits(f"{models}/{case['model']}", ids, exact=e)[-1][: len(last)] for e in (False, True))
            distance = lambda a: ((a - want).norm() / want.norm()).item()
            print(f"{case['model']}: transformers {distance(plain):.1e}, with double norms and rotary {distance(exact):.1e} from the golden")


parser = argparse.ArgumentParser()
parser.add_argument("--model")
parser.add_argument("--out")
parser.add_argument("--compare", nargs=2, metavar=("FORWARD_JSON", "MODELS"))
args = parser.parse_args()
if args.model:
    pathlib.Path(args.out).write_text(json.dumps(golden(args.model)))
if args.compare:
    compare(*args.compare)
