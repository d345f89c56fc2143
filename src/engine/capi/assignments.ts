/** Which operators of a graph ONNX Runtime has given to the CPU although the session is for a GPU. */
import type { Pointer } from './calls.ts';
import type { Runtime } from './runtime.ts';

/** A session option without which nothing is kept of the assignment. */
export const RECORD_ASSIGNMENT = { 'session.record_ep_graph_assignment_info': '1' };

/** The types in which a model spends its time. Others (shapes, masks, positions) belong on the CPU: they are small. */
const HEAVY = /MatMul|Gemm|Attention|Conv/;

/** Heavy operators on the CPU: how many nodes of each type. */
export function heavyOnCpu(runtime: Runtime, session: Pointer): Map<string, number> {
  const { api, library } = runtime;
  const list = (read: () => [Pointer, number]): Pointer[] => {
    const [address, count] = read(); // the session's own, never released
    return count === 0 ? [] : library.readPointers(address, count);
  };
  const heavy = new Map<string, number>();
  for (const part of list(() => api.Session_GetEpGraphAssignmentInfo(session))) {
    if (library.readText(api.EpAssignedSubgraph_GetEpName(part)) !== 'CPUExecutionProvider') continue;
    for (const node of list(() => api.EpAssignedSubgraph_GetNodes(part))) {
      const type = library.readText(api.EpAssignedNode_GetOperatorType(node));
      if (HEAVY.test(type)) heavy.set(type, (heavy.get(type) ?? 0) + 1);
    }
  }
  return heavy;
}
