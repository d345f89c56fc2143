"""CTranslate2 on the same checkpoint, int8: peer_ctranslate2.py CHECKPOINT WORKLOAD THREADS. It knows BERT, not MegatronBert."""
import os
import sys
import tempfile

import ctranslate2
import numpy as np
import torch

from peer_common import read_batches, serve

checkpoint, workload, threads = sys.argv[1:]
with tempfile.TemporaryDirectory() as work:
    folder = os.path.join(work, "model")
    ctranslate2.converters.TransformersConverter(checkpoint).convert(folder, quantization="int8")
    encoder = ctranslate2.Encoder(folder, intra_threads=int(threads), inter_threads=1, compute_type="int8")
state = torch.load(os.path.join(checkpoint, "pytorch_model.bin"), weights_only=True)
weight, bias = (state[f"classifier.{part}"].float().numpy() for part in ("weight", "bias"))


def run(inputs):
    lengths = inputs["attention_mask"].sum(axis=1)
    rows = [row[:n].tolist() for row, n in zip(inputs["input_ids"], lengths)]
    types = [row[:n].tolist() for row, n in zip(inputs["token_type_ids"], lengths)]
    pooled = np.array(encoder.forward_batch(rows, token_type_ids=types).pooler_output)
    return pooled @ weight.T + bias


serve(ctranslate2.__version__, read_batches(workload, ("input_ids", "attention_mask", "token_type_ids")), run)
