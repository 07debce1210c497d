#!/usr/bin/env python3
"""Writes small Hugging Face directories with random weights, and what transformers' classes say of them.

  hugging_face_models.py OUT_DIR [--seed N]

Each OUT_DIR/<family>/ holds config.json and safetensors as save_pretrained or the published files have
them, and expected.json: {"first", "tokens", "log_probs", "prompt", "continuation"}. log_probs[t] is the
natural log-softmax, in float64, that predicts tokens[t] from `first` and the tokens before it;
`continuation` is what the largest logit adds to `prompt`. With another seed than that of the files in
hugging_face/ everything is drawn anew. Exits with 77 where torch or transformers is missing.
"""

import argparse
import json
import os
import pathlib
import sys

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
try:
    import torch
    import transformers
    from safetensors.torch import load_file, save_file
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

VOCAB, CONTINUATION, SCORED, DIGITS = 40, 256, 40, 6
SIZES = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 289}
NEO_SIZES = {"hidden_size": 16, "num_layers": 4, "num_heads": 2, "max_position_embeddings": 289}
RUGPT_SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 288,
    "layer_norm_eps": 1e-5,
    "hidden_act": "gelu_new",
    "vocab_size": VOCAB,
    "bos_token_id": 2,
    "tie_word_embeddings": True,
    "sparse_mode": "alternating",
    "sparse_block_size": 4,
    "sparse_num_local_blocks": 4,
    "sparse_num_global_blocks": 1,
    "sparse_num_different_global_patterns": 3,
}


class RuGpt3Xl(torch.nn.Module):
    """The network that ruGPT3XL's modeling file describes, whole sequences with full matrices."""

    def __init__(self, sizes):
        super().__init__()
        self.sizes, nn, d = sizes, torch.nn, sizes["hidden_size"]
        self.embed_tokens = nn.Embedding(sizes["vocab_size"], d)
        self.embed_positions = nn.Embedding(sizes["max_position_embeddings"], d)
        self.layers = nn.ModuleList()
        for _ in range(sizes["num_hidden_layers"]):
            layer = nn.Module()
            layer.input_layernorm, layer.post_attention_layernorm = nn.LayerNorm(d), nn.LayerNorm(d)
            layer.self_attn, layer.mlp = nn.Module(), nn.Module()
            for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
                setattr(layer.self_attn, name, nn.Linear(d, d))
            layer.mlp.up_proj = nn.Linear(d, sizes["intermediate_size"])
            layer.mlp.down_proj = nn.Linear(sizes["intermediate_size"], d)
            self.layers.append(layer)
        self.norm = nn.LayerNorm(d)

    def layout(self, n):
        """[head, n, n]: DeepSpeed's fixed layout in blocks, spread to positions."""
        heads, block = self.sizes["num_attention_heads"], self.sizes["sparse_block_size"]
        local, spread = self.sizes["sparse_num_local_blocks"], self.sizes["sparse_num_different_global_patterns"]
        blocks = -(-n // block)
        seen = torch.zeros(heads, blocks, blocks, dtype=torch.bool)
        for head in range(heads):
            for row in range(blocks):
                seen[head, row, row // local * local : row + 1] = True
                seen[head, row, local - 1 - head % spread : row + 1 : local] = True
        return seen.repeat_interleave(block, 1).repeat_interleave(block, 2)[:, :n, :n].tril()

    def forward(self, ids):
        n, heads = ids.shape[1], self.sizes["num_attention_heads"]
        h = self.embed_tokens(ids) + self.embed_positions(torch.arange(n))
        dense = torch.ones(n, n, dtype=torch.bool).tril()
        for index, layer in enumerate(self.layers):
            x, attn = layer.input_layernorm(h), layer.self_attn
            q, k, v = (
                part(x).unflatten(-1, (heads, -1)).transpose(1, 2)
                for part in (attn.q_proj, attn.k_proj, attn.v_proj)
            )
            mask = self.layout(n) if index % 2 == 0 else dense
            mixed = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            h = h + attn.o_proj(mixed.transpose(1, 2).flatten(2))
            x = layer.mlp.up_proj(layer.post_attention_layernorm(h))
            h = h + layer.mlp.down_proj(torch.nn.functional.gelu(x, approximate="tanh"))
        return self.norm(h) @ self.embed_tokens.weight.T


def randomise(model):
    """Far from uniform attention and predictions, as a trained model has."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.normal_(1 if "weight" in name else 0, 0.3)
            else:
                parameter.normal_(0, 1.0 if "wte" in name or "wpe" in name or "embed" in name else 0.4)
    return model.eval()


def save_gpt2(directory):
    """As the first published file: no prefix, masks beside the weights."""
    config = transformers.GPT2Config(vocab_size=VOCAB, bos_token_id=3, eos_token_id=3, **SIZES)
    model = randomise(transformers.GPT2LMHeadModel(config))
    model.save_pretrained(directory)
    tensors = load_file(directory / "model.safetensors")
    tensors = {name.removeprefix("transformer."): value for name, value in tensors.items()}
    for layer in range(SIZES["n_layer"]):
        tensors[f"h.{layer}.attn.bias"] = torch.ones(1, 1, 8, 8).tril()
        tensors[f"h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    return model, None


def save_gpt_neo(directory):
    """In shards; q, k and v without biases; a window of 8."""
    config = transformers.GPTNeoConfig(
        vocab_size=VOCAB,
        window_size=8,
        attention_types=[[["global", "local"], 2]],
        intermediate_size=24,
        bos_token_id=3,
        eos_token_id=3,
        **NEO_SIZES,
    )
    model = randomise(transformers.GPTNeoForCausalLM(config))
    model.save_pretrained(directory, max_shard_size="16KB")
    return model, None


def save_imagegpt(directory):
    """float16; VOCAB - 1 colour clusters after the start token.

    Heads are 4 wide: transformers divides by int(sqrt(width)), the published networks were trained with
    sqrt(width), and the two are the same for square widths alone.
    """
    config = transformers.ImageGPTConfig(vocab_size=VOCAB, n_inner=40, **(SIZES | {"n_head": 4}))
    model = randomise(transformers.ImageGPTForCausalImageModeling(config)).half()
    model.save_pretrained(directory)
    return model, VOCAB - 1


def save_rugpt3xl(directory):
    """bfloat16, the names and configuration of the converted checkpoint."""
    model = randomise(RuGpt3Xl(RUGPT_SIZES)).bfloat16()
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps({"model_type": "rugpt3xl"} | RUGPT_SIZES, indent=2))
    tensors = {f"model.{name}": value.contiguous() for name, value in model.state_dict().items()}
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    return model, None


FAMILIES = {
    "gpt2": save_gpt2,
    "gpt_neo": save_gpt_neo,
    "imagegpt": save_imagegpt,
    "rugpt3xl": save_rugpt3xl,
}


def log_probs(model, ids):
    with torch.no_grad():
        output = model(torch.tensor([ids]))
    logits = output if torch.is_tensor(output) else output.logits
    return torch.log_softmax(logits[0].double(), -1)


def expected(model, start):
    """What the model says; `start` is given where sequences begin with it and not with a prompt's token."""
    model = model.double()
    drawn = torch.randint(0, VOCAB - 1, (SCORED + 1,)).tolist()
    first, tokens = (start, drawn[1:]) if start is not None else (drawn[0], drawn[1:])
    rows = log_probs(model, [first] + tokens[:-1])
    prompt = torch.randint(0, VOCAB - 1, (5,)).tolist()
    ids = ([start] if start is not None else []) + prompt
    given = len(ids)
    for _ in range(CONTINUATION):
        ids.append(int(log_probs(model, ids)[-1].argmax()))
    return {
        "first": first,
        "tokens": tokens,
        "log_probs": [[round(value, DIGITS) for value in row] for row in rows.tolist()],
        "prompt": prompt,
        "continuation": ids[given:],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for index, (family, save) in enumerate(FAMILIES.items()):
        torch.manual_seed(100 * arguments.seed + index)
        model, start = save(arguments.out / family)
        (arguments.out / family / "generation_config.json").unlink(missing_ok=True)
        text = json.dumps(expected(model, start), separators=(",", ":")).replace("],", "],\n")
        (arguments.out / family / "expected.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
