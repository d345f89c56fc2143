"""Python ONNX Runtime on the same ONNX file: peer_onnxruntime.py MODEL.onnx WORKLOAD THREADS"""
import sys

import onnxruntime

from peer_common import read_batches, serve

model, workload, threads = sys.argv[1:]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(threads)
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
batches = read_batches(workload, ("input_ids", "attention_mask", "token_type_ids"))
serve(onnxruntime.__version__, batches, lambda inputs: session.run(["logits"], inputs)[0])
