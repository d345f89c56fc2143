/** ONNX Runtime 1.30 reports on sessions over the network and keeps files in the temporary folder; fsb sends nothing anywhere. */

/** To be called before ONNX Runtime's library is loaded, which reads the variable then. */
export function disableTelemetry(): void {
  process.env.ORT_DISABLE_TELEMETRY = '1';
}
