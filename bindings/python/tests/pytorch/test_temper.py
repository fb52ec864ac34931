"""How tempering behaves: what it refuses, that it can be undone, and what it survives."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peer_models import GOLDEN, Embed, encode, load, texts, write_profile
from torch import Tensor, nn
from transformers import AutoModel, BertConfig, BertModel, Gemma3TextConfig, T5Config, T5ForConditionalGeneration
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from treble.torch import temper, tempering

# One that calls an attention function, both that do not, and the one whose layers share modules.
KINDS = ["bert", "t5", "mpnet", "deberta-v2", "albert-groups"]
WHOLE = ["bert", "mpnet", "deberta-v2", "albert-groups", "modernbert", "qwen2", "t5"]


def folder_of(name: str) -> Path:
    return GOLDEN / name / "model"


def profile_for(model: Any, tmp_path: Path) -> str:
    config = model[0].model.config
    return f"match:{write_profile(tmp_path / 'p.json', config.num_hidden_layers, config.num_attention_heads)}"


def state_of(model: nn.Module) -> list[tuple[str, type, list[str], int]]:
    """What tempering could leave behind."""
    return [(name, type(m), list(m.__dict__), id(getattr(m, "config", None))) for name, m in model.named_modules()]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("kind", ["0.7", "log:6", "profile"])
def test_removal_restores(name: str, kind: str, tmp_path: Path) -> None:
    model = load(folder_of(name))
    schedule = profile_for(model, tmp_path) if kind == "profile" else kind
    before, vectors, printed = state_of(model), encode(model), repr(model)
    keys = list(model.state_dict())
    handle = temper(model, schedule)
    assert list(model.state_dict()) == keys
    assert np.abs(encode(model) - vectors).max() > 1e-3
    handle.remove()
    handle.remove()
    assert (state_of(model), repr(model)) == (before, printed)
    assert np.array_equal(encode(model), vectors)


def test_tempering_twice_is_refused() -> None:
    model = load(folder_of("bert"))
    first = temper(model, 0.7)
    vectors = encode(model)
    with pytest.raises(ValueError, match=r"tempered already .*0\.7.*remove"):
        temper(model[0].model, "log:6")
    assert np.array_equal(encode(model), vectors)
    first.remove()
    second = temper(model, "log:6")
    first.remove()  # of a temperature that is gone: nothing to do
    assert str(tempering(model).schedule) == str(second.schedule) == "log:6"


def test_context_manager_removes_after_an_error() -> None:
    model = load(folder_of("bert"))
    with pytest.raises(RuntimeError, match="inside"), temper(model, 0.7):
        raise RuntimeError("inside")
    assert tempering(model) is None


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Linear(2, 2), r"none in torch\.nn\.modules\.linear\.Linear.*supported are.*bert"),
        (nn.TransformerEncoderLayer(8, 2), r"torch\.nn\.modules\.activation\.MultiheadAttention"),
        (nn.Sequential(nn.MultiheadAttention(8, 2)), "all attention of Sequential"),
    ],
)
def test_nothing_to_temper_is_an_error(model: nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        temper(model, 0.7)


def test_a_part_that_cannot_be_tempered_is_an_error() -> None:
    model = nn.Sequential(load(folder_of("bert")), nn.MultiheadAttention(8, 2))
    with pytest.raises(ValueError, match=r"some attention of Sequential.*MultiheadAttention"):
        temper(model, 0.7)
    assert tempering(model) is None


def test_other_architectures_under_a_familiar_name_are_refused() -> None:
    with pytest.raises(ValueError, match='position_embedding_type is "alibi"'):
        temper(load(folder_of("jina-bert-v2")), 0.7)
    config = Gemma3TextConfig(
        vocab_size=9, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=4, attn_logit_softcapping=50.0,
    )  # fmt: skip
    with pytest.raises(ValueError, match="attn_logit_softcapping is 50"):
        temper(AutoModel.from_config(config), 0.7)


def test_a_profile_of_another_shape_is_refused(tmp_path: Path) -> None:
    model = load(folder_of("bert"))
    for layers, heads in ((3, 1), (2, 3)):
        path = write_profile(tmp_path / "p.json", layers, heads)
        with pytest.raises(ValueError, match=f"for {layers} layers of {heads} heads, the model has 2 layers of 4"):
            temper(model, path)
    assert tempering(model) is None


def test_the_decoder_of_an_encoder_decoder_model_is_left_alone() -> None:
    torch.manual_seed(1)
    config = T5Config(vocab_size=20, d_model=16, d_kv=4, d_ff=16, num_layers=3, num_heads=4, decoder_start_token_id=0)
    model = T5ForConditionalGeneration(config).eval()
    ids = torch.arange(1, 13).view(1, -1)
    states = model.encoder(ids).last_hidden_state
    decoded = model.decoder(ids, encoder_hidden_states=states).last_hidden_state
    with temper(model, 0.5) as handle:
        assert handle.layers == 3
        assert torch.equal(model.decoder(ids, encoder_hidden_states=states).last_hidden_state, decoded)
        assert (model.encoder(ids).last_hidden_state - states).abs().max() > 1e-4


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
def test_copies_are_tempered_and_independent(name: str, how: str, tmp_path: Path) -> None:
    model = load(folder_of(name))
    plain = encode(model)
    handle = temper(model, profile_for(model, tmp_path))
    tempered = encode(model)
    copied = copy.deepcopy(model) if how == "deepcopy" else pickle.loads(pickle.dumps(model))
    handle.remove()
    assert np.array_equal(encode(model), plain)
    assert np.array_equal(encode(copied), tempered)
    theirs = tempering(copied)
    assert (theirs.layers, str(theirs.schedule)) == (handle.layers, str(handle.schedule))
    theirs.remove()
    assert np.array_equal(encode(copied), plain)
    assert state_of(copied)[0][1] == state_of(model)[0][1]


def test_saved_models_are_as_trained(tmp_path: Path) -> None:
    model = load(folder_of("bert"))
    plain = encode(model)
    with temper(model, 0.7):
        model.save(str(tmp_path / "saved"))
    assert np.array_equal(encode(load(tmp_path / "saved")), plain)


@pytest.mark.parametrize("name", ["bert", "mpnet", "deberta-v2", "t5-gated-gelu"])
@pytest.mark.parametrize("schedule", ["0.7", "log:6", "profile"])
def test_gradients_pass(name: str, schedule: str, tmp_path: Path) -> None:
    """The derivative along a direction is the difference quotient."""
    sentence = load(folder_of(name), dtype=torch.float64)
    temper(sentence, profile_for(sentence, tmp_path) if schedule == "profile" else schedule)
    features = sentence.tokenize(texts()[:3])
    weight = next(
        p for n, p in sentence.named_parameters() if n.endswith(("query.weight", "q.weight", "query_proj.weight"))
    )
    direction = torch.randn(weight.shape, generator=torch.Generator().manual_seed(3), dtype=weight.dtype)
    direction /= direction.norm()

    def loss() -> Tensor:
        return sentence(dict(features))["sentence_embedding"][:, ::2].sum()

    loss().backward()
    step = 3e-3 if name.startswith("t5") else 1e-5  # T5's norms compute in float32
    with torch.no_grad():
        weight += step * direction
        above = loss()
        weight -= 2 * step * direction
        below = loss()
    torch.testing.assert_close((weight.grad * direction).sum(), (above - below) / (2 * step), rtol=step, atol=1e-7)


def test_a_model_that_moves_takes_its_temperature_along(tmp_path: Path) -> None:
    """Through a dtype and back the scales lose nothing; the meta device shows that they follow the model."""
    model = load(folder_of("bert"))
    with temper(model, profile_for(model, tmp_path)) as handle:
        tables = [module.table for _, module in handle._temperings]
        model.half()
        assert all(
            torch.equal(module.table, table) for (_, module), table in zip(handle._temperings, tables, strict=True)
        )
        model.to("meta")
        assert all(module.table.is_meta and module.table.dtype == torch.float32 for _, module in handle._temperings)


def test_changing_the_attention_function_of_a_tempered_model(embed: Embed) -> None:
    expected = embed(folder_of("bert"), "--temperature", "log:6")
    model = load(folder_of("bert"))
    with temper(model, "log:6"):
        for implementation in ("eager", "sdpa"):
            model[0].model.set_attn_implementation(implementation)
            assert np.abs(encode(model) - expected).max() < 2e-5


def test_an_attention_function_that_hides_its_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A constant needs no count of keys; a length-dependent schedule says that it cannot have one."""
    config = BertConfig(vocab_size=16, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    model = BertModel(config).eval()
    seen: list[float] = []

    def block(module: nn.Module, query: Tensor, *_: Any, scaling: float, **__: Any) -> tuple[Tensor, None]:
        seen.append(scaling)
        return query.transpose(1, 2), None

    monkeypatch.setitem(ALL_ATTENTION_FUNCTIONS._global_mapping, "blocks", block)
    monkeypatch.setitem(ALL_MASK_ATTENTION_FUNCTIONS._global_mapping, "blocks", lambda *_, **__: None)
    model.config._attn_implementation_internal = "blocks"
    ids = torch.ones((1, 4), dtype=torch.long)
    with temper(model, 0.5):
        model(ids)
    assert seen == [0.5**-1 * 4**-0.5]
    with temper(model, "log:2"), pytest.raises(ValueError, match='attn_implementation "blocks"'):
        model(ids)


@pytest.fixture
def fresh_compiler() -> Iterator[None]:
    """Few graphs are enough: one that is made for each length would exceed the limit, which is an error here."""
    torch.compiler.reset()
    with torch._dynamo.config.patch(recompile_limit=4, fail_on_recompile_limit_hit=True):
        yield


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("kind", ["0.7", "log:6", "profile"])
def test_compile_after_tempering(name: str, kind: str, tmp_path: Path, fresh_compiler: None) -> None:
    model = load(folder_of(name))
    schedule = profile_for(model, tmp_path) if kind == "profile" else kind
    with temper(model, schedule):
        expected = encode(model)
        model[0].model = torch.compile(model[0].model, backend="eager", dynamic=True, fullgraph=name != "deberta-v2")
        assert np.abs(encode(model) - expected).max() < 1e-6
        assert np.abs(encode(model, batch_size=1) - expected).max() < 1e-5


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("in_place", [False, True])
def test_tempering_after_compile(name: str, in_place: bool, tmp_path: Path, fresh_compiler: None) -> None:
    """What was compiled before is compiled again, when tempered and when restored."""
    model = load(folder_of(name))
    plain = encode(model)
    with temper(model, profile_for(model, tmp_path)):
        expected = encode(model)
    if in_place:
        model[0].model.compile(backend="eager", dynamic=True)
    else:
        model[0].model = torch.compile(model[0].model, backend="eager", dynamic=True)
    assert np.abs(encode(model) - plain).max() < 1e-6
    for _ in range(2):
        with temper(model, profile_for(model, tmp_path)):
            assert np.abs(encode(model) - expected).max() < 1e-6
        assert np.abs(encode(model) - plain).max() < 1e-6


def test_inductor(fresh_compiler: None) -> None:
    """The compiler that users get, on one model."""
    model, uncompiled = load(folder_of("bert")), load(folder_of("bert"))
    plain = encode(model)
    model[0].model = torch.compile(model[0].model, dynamic=True)
    for schedule in ("0.7", "log:6"):
        with temper(model, schedule), temper(uncompiled, schedule):
            assert np.abs(encode(model) - encode(uncompiled)).max() < 1e-5
    assert np.abs(encode(model) - plain).max() < 1e-5
