"""Figures derived from the peers' times, and their tables."""

from shape import load_shape

DENSE_PEERS = ("torch-dense", "jax-dense", "transformers")


def complete(row, gb_per_s):
    """A decode row with tokens/s, GB/s of what this peer itself reads, the floor of the sparse step, and its share."""
    if "us_per_step" not in row:
        return row
    shape, batch, position, us = load_shape(row["shape"]), row["batch"], row["position"], row["us_per_step"]
    moved = shape.step_bytes(batch, position, dense=row["peer"] in DENSE_PEERS)
    row = row | {"tokens_per_s": batch / us * 1e6, "gb_per_s": moved / us / 1e3}
    if gb_per_s:
        floor = shape.floor_us(batch, position, gb_per_s)
        row |= {"floor_us": floor, "floor_share": floor / us}
    return row


def decode_table(rows):
    lines = [f"{'shape':<16}{'batch':>6}{'position':>9}  {'peer':<13}{'us/step':>10}{'tokens/s':>11}{'GB/s':>7}"
             f"{'of floor':>9}  how"]
    for row in rows:
        start = f"{row['shape']:<16}{row['batch']:>6}{row['position']:>9}  {row['peer']:<13}"
        if "error" in row:
            lines.append(f"{start} {row['error']}")
            continue
        share = f"{row['floor_share']:.1%}" if "floor_share" in row else "-"
        lines.append(f"{start}{row['us_per_step']:>10.1f}{row['tokens_per_s']:>11.0f}{row['gb_per_s']:>7.0f}"
                     f"{share:>9}  {row.get('variant', '')}")
    return "\n".join(lines)


def prefill_table(rows):
    lines = [f"{'shape':<16}  {'peer':<13}{'prefill ms':>12}  how"]
    for row in rows:
        figure = row.get("error") or f"{row['prefill_ms']:>11.2f}  {row['variant']}"
        lines.append(f"{row['shape']:<16}  {row['peer']:<13} {figure}")
    return "\n".join(lines)
