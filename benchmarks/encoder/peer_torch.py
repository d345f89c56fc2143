"""PyTorch with transformers on the checkpoint, float32: peer_torch.py CHECKPOINT WORKLOAD THREADS"""
import sys

import torch
import transformers

from peer_common import read_batches, serve

checkpoint, workload, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
model = transformers.AutoModelForSequenceClassification.from_pretrained(checkpoint, dtype=torch.float32).eval()
batches = {
    order: [(rows, {name: torch.from_numpy(array) for name, array in inputs.items()}) for rows, inputs in plan]
    for order, plan in read_batches(workload, ("input_ids", "attention_mask", "token_type_ids")).items()
}


@torch.inference_mode()
def run(inputs):
    return model(**inputs).logits.numpy()


serve(f"{torch.__version__}, transformers {transformers.__version__}", batches, run)
