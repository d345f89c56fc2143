"""
Python ONNX Runtime: peer_onnxruntime.py MODEL.onnx WORKLOAD THREADS [int8]. On the same ONNX file; with int8 on what its own
quantize_dynamic makes of the float32 one.
"""
import os
import sys
import tempfile

import onnxruntime

from peer_common import read_batches, serve

model, workload, threads, *quantised = sys.argv[1:]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(threads)
if quantised:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as work:
        file = os.path.join(work, "int8.onnx")
        quantize_dynamic(model, file, op_types_to_quantize=["MatMul"], weight_type=QuantType.QInt8)
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
else:
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
batches = read_batches(workload, ("input_ids", "attention_mask", "token_type_ids"))
serve(onnxruntime.__version__, batches, lambda inputs: session.run(["logits"], inputs)[0])
