"""What the Python peers of the encoder benchmark share: the workload, padding, and the conversation in JSON lines."""
import json
import sys
import time

import numpy as np


def read_batches(file, names):
    """order -> list of (rows, inputs); the inputs are padded int64 arrays under the three names."""
    with open(file, encoding="utf8") as handle:
        batches = json.load(handle)["batches"]
    return {order: [(len(rows), padded(rows, names)) for rows in plan] for order, plan in batches.items()}


def padded(rows, names):
    length = max(len(row["ids"]) for row in rows)
    ids, mask, types = (np.zeros((len(rows), length), dtype=np.int64) for _ in range(3))
    for i, row in enumerate(rows):
        count = len(row["ids"])
        ids[i, :count] = row["ids"]
        mask[i, :count] = 1
        types[i, :count] = row["typeIds"]
    return dict(zip(names, (ids, mask, types)))


def serve(version, batches, run):
    """Answers requests until the input ends; `run` takes the inputs of a batch and returns (rows, labels) logits."""
    print(json.dumps({"version": version}), flush=True)
    for line in sys.stdin:
        plan = batches[json.loads(line)["order"]]
        cpu, started = time.process_time(), time.perf_counter()
        logits = []
        for _, inputs in plan:
            logits.extend(run(inputs).ravel().tolist())
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
        print(json.dumps({"seconds": seconds, "cpuSeconds": cpu_seconds, "logits": logits}), flush=True)
