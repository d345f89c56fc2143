"""llama.cpp as a peer of the decode benchmark: python peer_llamacpp.py CHECKPOINT WORK_FOLDER THREADS Q4_0|Q4_K_M|Q8_0"""
import ctypes, json, os, resource, sys, time

import llama_cpp

source, work, threads, kind = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
FILE_TYPES = {"Q4_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0, "Q4_K_M": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M, "Q8_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0}


def write_gguf(path):
    import gguf, numpy, torch

    with open(os.path.join(source, "config.json")) as file:
        config = json.load(file)
    # mapped, and cast one by one: the whole 3.5B model in float32 does not fit
    weights = {k.removeprefix("transformer."): v for k, v in torch.load(os.path.join(source, "pytorch_model.bin"), weights_only=True, mmap=True).items()}
    rows = weights["wte.weight"].shape[0]
    writer = gguf.GGUFWriter(path, "gpt2", use_temp_file=True)
    writer.add_block_count(config["n_layer"])
    writer.add_context_length(config["n_positions"])
    writer.add_embedding_length(config["n_embd"])
    writer.add_feed_forward_length(4 * config["n_embd"])
    writer.add_head_count(config["n_head"])
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([f"t{i}" for i in range(rows)])
    writer.add_token_types([gguf.TokenType.NORMAL] * rows)
    writer.add_token_merges(["t 1"])
    writer.add_bos_token_id(50256)
    writer.add_eos_token_id(50256)

    def add(name, tensor, matrix=True):
        dtype = torch.float16 if matrix and tensor.ndim > 1 else torch.float32
        writer.add_tensor(name, numpy.ascontiguousarray(tensor.to(dtype).numpy()))

    add("token_embd.weight", weights["wte.weight"])
    add("position_embd.weight", weights["wpe.weight"], matrix=False)
    for name, ours in (("output_norm", "ln_f"),):
        add(f"{name}.weight", weights[f"{ours}.weight"])
        add(f"{name}.bias", weights[f"{ours}.bias"])
    names = (("attn_norm", "ln_1"), ("attn_qkv", "attn.c_attn"), ("attn_output", "attn.c_proj"), ("ffn_norm", "ln_2"), ("ffn_up", "mlp.c_fc"), ("ffn_down", "mlp.c_proj"))
    for i in range(config["n_layer"]):
        for name, ours in names:
            array = weights[f"h.{i}.{ours}.weight"]
            add(f"blk.{i}.{name}.weight", array.T if array.ndim > 1 else array)
            add(f"blk.{i}.{name}.bias", weights[f"h.{i}.{ours}.bias"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


plain, path = os.path.join(work, "model-f16.gguf"), os.path.join(work, f"model-{kind}.gguf")
if not os.path.exists(path):
    if not os.path.exists(plain):
        write_gguf(plain)
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype, params.nthread = FILE_TYPES[kind], threads
    if llama_cpp.llama_model_quantize(plain.encode(), path.encode(), ctypes.byref(params)) != 0:
        raise SystemExit("llama.cpp could not quantise the model")
started = time.perf_counter()
model = llama_cpp.Llama(path, n_ctx=1024, n_threads=threads, n_threads_batch=threads, n_batch=512, verbose=False)
print(json.dumps({"version": llama_cpp.__version__, "loadMs": (time.perf_counter() - started) * 1000}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    model.reset()
    begun = time.perf_counter()
    model.eval(request["prompt"])
    token = model.sample(temp=0.0)
    first = time.perf_counter()
    for _ in range(request["newTokens"] - 1):
        model.eval([token])
        token = model.sample(temp=0.0)
    ended = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"prefillMs": (first - begun) * 1000, "decodeMs": (ended - first) * 1000, "peakRssBytes": peak}), flush=True)
