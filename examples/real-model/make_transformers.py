"""A tiny Llama of random weights for `transformers serve`; nothing is downloaded.

What it writes is random bytes, and so exercises characters that are cut in two.
"""

import sys

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

out = sys.argv[1]
byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
tok = Tokenizer(models.BPE())
tok.pre_tokenizer, tok.decoder = byte_level, decoders.ByteLevel()
tok.train_from_iterator(
    ["the choir answers the choir across the nave"],
    trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<unk>", "<|im_start|>", "<|im_end|>"], initial_alphabet=byte_level.alphabet()
    ),
)
fast = PreTrainedTokenizerFast(tokenizer_object=tok, unk_token="<unk>", eos_token="<|im_end|>", pad_token="<|im_end|>")
fast.chat_template = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{{ m['content'] if m['content'] is string else m['content'][0]['text'] }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n"
)
fast.save_pretrained(out)
torch.manual_seed(0)
LlamaForCausalLM(
    LlamaConfig(
        vocab_size=len(fast),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=2048,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
).save_pretrained(out)
print("saved", out)
