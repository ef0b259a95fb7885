"""A small causal language model with random weights, and a tokeniser trained here: the real classes, nothing learnt."""

from __future__ import annotations

TEXTS = [
    "yes no Yes No A B 0 1 2 3 usb hub wireless mouse title brand product query relevant Answer yes or no",
    "Judge whether the Document meets the requirements based on the Query and the Instruct provided. Note that the",
    "the shop search results of a shopper is what the shopper is looking for 手机壳 商品 查询 相关 是 否",
]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% if enable_thinking is false %}<think>\n\n</think>\n\n"
    "{% endif %}{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def write_tokenizer(folder, template=TEMPLATE):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(TEXTS * 20, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    fast.chat_template = template
    fast.save_pretrained(folder)
    return fast


def write_model(folder, kind="qwen3", seed=0, template=TEMPLATE):
    """A folder as `save_pretrained` writes it; of the architecture Qwen3, Llama or GPT-2 (learnt positions)."""
    import torch
    from transformers import (
        GPT2Config,
        GPT2LMHeadModel,
        LlamaConfig,
        LlamaForCausalLM,
        Qwen3Config,
        Qwen3ForCausalLM,
    )

    folder.mkdir(parents=True)
    tokenizer = write_tokenizer(folder, template)
    size = len(tokenizer)
    torch.manual_seed(seed)
    wide = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "vocab_size": size, "initializer_range": 0.5,
            "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}  # fmt: skip
    model = {
        "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**wide, head_dim=8, max_position_embeddings=4096)),
        "llama": lambda: LlamaForCausalLM(LlamaConfig(**wide, max_position_embeddings=4096)),
        "gpt2": lambda: GPT2LMHeadModel(
            GPT2Config(
                vocab_size=size, n_embd=32, n_layer=2, n_head=4, n_positions=2048, initializer_range=0.5,
                eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
            )
        ),
    }[kind]()  # fmt: skip
    model.eval().save_pretrained(folder)
    return folder
