"""CTranslate2 as a peer of the decode benchmark: python peer_ctranslate2.py CHECKPOINT WORK_FOLDER THREADS COMPUTE_TYPE"""
import json, os, resource, sys, time

import ctranslate2

source, work, threads, compute_type = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]


def convert():
    """The GPT-2 spec filled from the checkpoint; the converter of the package refuses a padded vocabulary."""
    import torch
    from ctranslate2.specs import common_spec, transformer_spec

    with open(os.path.join(source, "config.json")) as file:
        config = json.load(file)
    # mapped and widened one by one: twice the float32 numbers of 3.5B parameters are more than a machine may have
    stored = torch.load(os.path.join(source, "pytorch_model.bin"), weights_only=True, mmap=True)
    stored = {name.removeprefix("transformer."): tensor for name, tensor in stored.items()}
    spec = transformer_spec.TransformerDecoderModelSpec.from_config(
        config["n_layer"], config["n_head"], pre_norm=True, activation=common_spec.Activation.GELUTanh)
    decoder = spec.decoder

    def numbers(name):
        return stored[name].float().numpy()

    def norm(target, name):
        target.gamma, target.beta = numbers(f"{name}.weight"), numbers(f"{name}.bias")

    def linear(target, name):
        target.weight, target.bias = stored[f"{name}.weight"].T.float().contiguous().numpy(), numbers(f"{name}.bias")

    decoder.scale_embeddings = False
    decoder.embeddings.weight = numbers("wte.weight")
    decoder.position_encodings.encodings = numbers("wpe.weight")
    norm(decoder.layer_norm, "ln_f")
    decoder.projection.weight = decoder.embeddings.weight
    for i, layer in enumerate(decoder.layer):
        norm(layer.self_attention.layer_norm, f"h.{i}.ln_1")
        linear(layer.self_attention.linear[0], f"h.{i}.attn.c_attn")
        linear(layer.self_attention.linear[1], f"h.{i}.attn.c_proj")
        norm(layer.ffn.layer_norm, f"h.{i}.ln_2")
        linear(layer.ffn.linear_0, f"h.{i}.mlp.c_fc")
        linear(layer.ffn.linear_1, f"h.{i}.mlp.c_proj")
    spec.register_vocabulary([f"t{i}" for i in range(stored["wte.weight"].shape[0])])
    spec.config.bos_token = spec.config.eos_token = spec.config.unk_token = "t50256"
    spec.validate()
    spec.optimize(quantization=compute_type if compute_type != "float32" else None)
    os.makedirs(target_folder)
    spec.save(target_folder)


target_folder = os.path.join(work, f"ct2-{compute_type}")
if not os.path.exists(target_folder):
    convert()
started = time.perf_counter()
generator = ctranslate2.Generator(target_folder, device="cpu", compute_type=compute_type, intra_threads=threads, inter_threads=1)
print(json.dumps({"version": ctranslate2.__version__, "loadMs": (time.perf_counter() - started) * 1000}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    prompt = [f"t{i}" for i in request["prompt"]]
    begun, times = time.perf_counter(), []
    steps = generator.generate_tokens(prompt, max_length=request["newTokens"], end_token=["t50256"], min_length=request["newTokens"])
    for _ in steps:
        times.append(time.perf_counter())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"prefillMs": (times[0] - begun) * 1000, "decodeMs": (times[-1] - times[0]) * 1000, "peakRssBytes": peak}), flush=True)
