"""A trained model as a Hugging Face folder, and what transformers makes of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import recurrence
import torch
from prompts import FILLER, PASSKEY, PREFIX, QUESTION, VOCABULARY, ids_of, passkey_batch
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

if TYPE_CHECKING:
    from pathlib import Path

    from mamba2 import Mamba2

TOLERANCE = 1e-5
# Of the twin's logits for a prompt beyond the training length, for other implementations to be held against.
CONTROLS = ("none", "rri:1,0.5", "rri:0.998,0.75", "window:128", "norm:4")


def tokenizer() -> Tokenizer:
    """Newlines, digits, words and marks are tokens; other white space is left out. Decoding puts it back as the prompts
    have it, so that a key is written without spaces.
    """
    made = Tokenizer(models.WordLevel({token: i for i, token in enumerate(VOCABULARY)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Split(Regex(r"\n|\d|[^\W\d_]+|[^\w\s]|_"), behavior="removed", invert=True)
    made.decoder = decoders.Sequence(
        [
            decoders.Replace(Regex(r"^(?=[A-Za-z<])"), " "),
            decoders.Fuse(),
            decoders.Replace(Regex(r"(?<=[A-Za-z.?!,>])(?=[0-9])"), " "),
            decoders.Strip(" ", 1, 0),
        ]
    )
    made.add_special_tokens(["<unk>", "<eos>"])
    for text in (PREFIX, FILLER, PASSKEY.format(key="60718"), QUESTION, "Hello 99 red.\n\nThe Über_x sky\t7"):
        ids = made.encode(text).ids
        if ids != ids_of(text):
            raise SystemExit(f"{text!r}: the tokenizer makes {ids} of it, the study's own {ids_of(text)}")
        if "<unk>" not in made.encode(text).tokens and made.decode(ids) != text:
            raise SystemExit(f"{text!r}: is decoded as {made.decode(ids)!r}")
    return made


def write_model(model: Mamba2, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(model.shape.config(), indent=2) + "\n")
    tokenizer().save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>", "eos_token": "<eos>"}
    settings |= {"clean_up_tokenization_spaces": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    tensors = {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@torch.no_grad()
def write_expected(model: Mamba2, folder: Path, path: Path) -> None:
    """Token ids and logits of transformers' class, after it was compared with ours; logits of the last five places
    under control of the state from the recurrence.
    """
    from transformers import AutoTokenizer, Mamba2ForCausalLM  # noqa: PLC0415

    theirs = Mamba2ForCausalLM.from_pretrained(folder).eval()
    twin = recurrence.Model.load(folder)
    prompt, keys = passkey_batch(128, 1, 3)
    prompt, key = torch.tensor(prompt[:, : 1 - keys.shape[1]]), "".join(VOCABULARY[digit] for digit in keys[0])
    written = AutoTokenizer.from_pretrained(folder).decode(theirs.generate(prompt, max_new_tokens=5)[0])
    if not written.endswith(f"{QUESTION} {key}"):
        raise SystemExit(f"{folder}: {key} is the key of a prompt that transformers continues as {written!r}")
    expected = {}
    for length in (1, 65, 200):
        ids = passkey_batch(220, 1, length)[0][:, :length]
        logits = theirs(torch.tensor(ids)).logits.numpy()
        for name, other in (("PyTorch", model(torch.tensor(ids)).numpy()), ("NumPy", twin.run(ids)[0])):
            worst = float(np.abs(other - logits).max())
            print(f"{length} tokens, {name}: logits at most {worst:.1e} from transformers'")
            if worst > TOLERANCE:
                raise SystemExit(f"that is more than {TOLERANCE}")
        expected |= {f"ids/{length}": ids[0], f"logits/{length}": logits[0]}
    ids, _ = passkey_batch(512, 4, 2)
    expected["ids/control"] = ids[3]
    for control in CONTROLS:
        expected[f"control/{control}"] = twin.run(ids[3:], recurrence.Control.parse(control), last=5)[0][0]
    save_arrays({name: np.ascontiguousarray(one) for name, one in expected.items()}, path)
