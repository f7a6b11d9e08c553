"""Makes the vectors: `python -m proofs.vectors.generate` writes them, with `--check` it says whether the files are exactly these.

Every case is built with maker.py, which knows nothing of the verifier's code. Nothing is random. Needs `cryptography`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from . import cases_receipts as receipts
from . import cases_values as values
from . import cases_webhook as webhook

HERE = Path(__file__).parent
TOPICS = {
    "canonical": values.canonical_cases, "amounts": values.amount_cases, "leaves": values.leaf_cases,
    "contexts": values.context_cases, "trees": values.tree_cases, "inclusion": values.inclusion_cases,
    "consistency": values.consistency_cases, "heads": values.head_cases, "windows": values.window_cases, "entries": values.entry_cases,
    "notes": values.note_cases, "cosignatures": values.cosignature_cases,
    "log-checkpoints": values.log_checkpoint_cases, "verifier-keys": values.verifier_key_cases,
    "trust-files": values.trust_cases, "receipts": receipts.receipt_cases, "receipt-sets": receipts.set_cases,
    "webhook": webhook.webhook_cases,
}  # fmt: skip


def all_files() -> dict[str, str]:
    """The text of every vector, by path below this folder."""
    files: dict[str, str] = {}
    for topic, cases in TOPICS.items():
        for situation, title, purpose, given, expect in cases():
            name = f"{topic}/{situation}.json"
            if name in files:
                raise ValueError(f"two cases are called {name}")
            case = {"title": title, "purpose": purpose, "input": given, "expect": expect}
            files[name] = json.dumps(case, indent=1) + "\n"
    return files


def committed_files() -> dict[str, str]:
    return {str(path.relative_to(HERE)): path.read_text() for path in sorted(HERE.glob("*/*.json"))}


def main() -> int:
    made, committed = all_files(), committed_files()
    if "--check" in sys.argv:
        different = sorted(name for name in made.keys() | committed.keys() if made.get(name) != committed.get(name))
        print("\n".join(different) or f"{len(made)} vectors, all as made")
        return 1 if different else 0
    for name in committed.keys() - made.keys():
        (HERE / name).unlink()
    for name, content in made.items():
        (HERE / name).parent.mkdir(exist_ok=True)
        (HERE / name).write_text(content)
    print(f"{len(made)} vectors written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
