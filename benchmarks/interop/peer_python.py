"""Other programs' view of a model folder, asked in JSON lines: onnx.checker, Python ONNX Runtime, tokenizers, transformers."""
import json
import sys
import warnings

warnings.filterwarnings("ignore")
import numpy as np
import onnx
import onnxruntime
import tokenizers
import transformers

transformers.logging.set_verbosity_error()


def versions():
    modules = (onnx, onnxruntime, tokenizers, transformers)
    return {module.__name__: module.__version__ for module in modules}


def check(file):
    """Schema, shapes and types of every node; external data must be there."""
    onnx.checker.check_model(file, full_check=True)
    return "clean"


def run(file, feeds, outputs):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    arrays = {name: np.array(feed["values"], dtype=feed["dtype"]).reshape(feed["shape"]) for name, feed in feeds.items()}
    return [array.ravel().tolist() for array in session.run(outputs, arrays)]


def encode_tokenizers(folder, texts):
    tokenizer = tokenizers.Tokenizer.from_file(f"{folder}/tokenizer.json")
    return [tokenizer.encode(text).ids for text in texts]


def encode_transformers(folder, texts):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    return [tokenizer(text)["input_ids"] for text in texts]


COMMANDS = {f.__name__: f for f in (versions, check, run, encode_tokenizers, encode_transformers)}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = {"result": COMMANDS[request.pop("command")](**request)}
    except Exception as error:  # whatever another program thinks of the folder is the finding
        answer = {"error": f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"}
    print(json.dumps(answer), flush=True)
